//! Two hosts on one wire: datagrams and frames as they really arrive.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::AsRawFd;
use std::time::Duration;

use nix::sys::socket::{MsgFlags, recv};
use socket2::{Domain, Protocol, Socket, Type};
use vipkeeper::node::Event;
use vipkeeper::node::event::{Datagram, Received};
use vipkeeper::shell::clock;
use vipkeeper::shell::vrrp_socket::VrrpSocket;
use vipkeeper::units::{Family, IfName};
use vipkeeper::vrrp::announce::announcement;

use crate::namespace::{Namespace, as_root, index, ip, link_up};

/// The next thing that is already here, in whichever inbox.
fn received(socket: &mut VrrpSocket) -> Option<Event> {
    socket.inboxes().find_map(|inbox| inbox.receive().unwrap())
}

fn bytes(received: &Received) -> &[u8] {
    match &received.datagram {
        Datagram::V4(bytes) => bytes,
        Datagram::V6 { message, .. } => message,
    }
}

const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);
const GROUP6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12);
const BOTH: [Family; 2] = [Family::V4, Family::V6];
const SOURCE: Ipv4Addr = Ipv4Addr::new(10, 9, 9, 9);

/// An IPv4 datagram of protocol 112; id and checksum are the kernel's.
fn datagram(to: Ipv4Addr, ttl: u8, payload: &[u8]) -> Vec<u8> {
    let len = u16::try_from(20 + payload.len()).unwrap();
    let mut bytes = vec![0x45, 0xc0];
    bytes.extend(len.to_be_bytes());
    bytes.extend([0, 0, 0, 0, ttl, 112, 0, 0]);
    bytes.extend(SOURCE.octets());
    bytes.extend(to.octets());
    bytes.extend(payload);
    bytes
}

struct Wire {
    left: Namespace,
    right: Namespace,
}

/// Two namespaces, each with `eth0` on the same wire; the thread is in the right one.
async fn wire() -> Wire {
    let left = Namespace::new();
    let right = Namespace::new();
    left.enter();
    ip("link add eth0 type veth peer name eth1");
    ip(&format!("link set eth1 netns {}", right.path()));
    ip("link set eth0 up");
    right.enter();
    ip("link set eth1 name eth0");
    ip("link set eth0 up");
    for namespace in [&left, &right] {
        namespace.enter();
        link_up("eth0").await;
    }
    Wire { left, right }
}

fn open(namespace: &Namespace) -> VrrpSocket {
    namespace.enter();
    VrrpSocket::open(&IfName::new("eth0").unwrap(), index("eth0"), &BOTH, &[GROUP.into(), GROUP6.into()]).unwrap()
}

async fn next(socket: &mut VrrpSocket) -> Received {
    let event = next_event(socket).await;
    let Event::PacketReceived(received) = event else { panic!("{event:?}") };
    received
}

async fn next_event(socket: &mut VrrpSocket) -> Event {
    loop {
        if let Some(event) = received(socket) {
            return event;
        }
        socket.readable().await.unwrap();
    }
}

#[test]
fn an_advert_arrives_whole_with_ttl_and_destination_although_no_side_has_an_address() {
    as_root("an_advert_arrives_whole_with_ttl_and_destination_although_no_side_has_an_address", || async {
        let wire = wire().await;
        let (left, mut right) = (open(&wire.left), open(&wire.right));
        let sent = datagram(GROUP, 255, b"advert");
        let before = clock::now();
        left.transmit(SOURCE.into(), GROUP.into(), &sent).unwrap();
        let received = next(&mut right).await;
        assert_eq!(received.interface.as_str(), "eth0");
        assert!(!received.truncated);
        assert_eq!(bytes(&received)[8], 255, "TTL");
        assert_eq!(bytes(&received)[12..16], SOURCE.octets(), "our source, not the kernel's");
        assert_eq!(bytes(&received)[16..20], GROUP.octets());
        assert_eq!(&bytes(&received)[20..], b"advert");
        assert_ne!(bytes(&received)[10..12], [0, 0], "the kernel filled the checksum");
        let slack = Duration::from_millis(50);
        assert!(received.at + slack >= before && received.at <= clock::now(), "receive time");
        assert!(left_hears_nothing(left), "our own adverts do not come back");
    });
}

fn left_hears_nothing(mut left: VrrpSocket) -> bool {
    received(&mut left).is_none()
}

#[test]
fn the_receive_time_is_the_kernels_even_when_we_read_late() {
    as_root("the_receive_time_is_the_kernels_even_when_we_read_late", || async {
        let wire = wire().await;
        let (left, mut right) = (open(&wire.left), open(&wire.right));
        assert!(received(&mut right).is_none());
        // The first socket that wants stamps switches them on for the whole kernel, a moment later.
        tokio::time::sleep(Duration::from_millis(100)).await;
        left.transmit(SOURCE.into(), GROUP.into(), &datagram(GROUP, 255, b"early")).unwrap();
        let sent = clock::now();
        tokio::time::sleep(Duration::from_millis(300)).await;
        let received = next(&mut right).await;
        assert!(received.at < sent + Duration::from_millis(200), "judged by the time of reading");
    });
}

#[test]
fn unicast_arrives_too_and_bad_packets_are_passed_on_as_they_are() {
    as_root("unicast_arrives_too_and_bad_packets_are_passed_on_as_they_are", || async {
        let wire = wire().await;
        wire.left.enter();
        ip("addr add 10.0.0.1/24 dev eth0");
        wire.right.enter();
        ip("addr add 10.0.0.2/24 dev eth0");
        ip("addr add 10.9.9.1/24 dev eth0");
        let (left, mut right) = (open(&wire.left), open(&wire.right));
        let to = Ipv4Addr::new(10, 0, 0, 2);
        left.transmit(SOURCE.into(), to.into(), &datagram(to, 3, b"")).unwrap();
        let received = next(&mut right).await;
        assert_eq!((bytes(&received).len(), bytes(&received)[8]), (20, 3));
    });
}

#[test]
fn an_oversized_datagram_is_cut_and_marked() {
    as_root("an_oversized_datagram_is_cut_and_marked", || async {
        let wire = wire().await;
        for namespace in [&wire.left, &wire.right] {
            namespace.enter();
            ip("link set eth0 mtu 9000");
        }
        let (left, mut right) = (open(&wire.left), open(&wire.right));
        left.transmit(SOURCE.into(), GROUP.into(), &datagram(GROUP, 255, &[7; 4000])).unwrap();
        let received = next(&mut right).await;
        assert!(received.truncated);
        assert_eq!(bytes(&received).len(), 2048);
    });
}

#[test]
fn what_arrives_on_another_interface_is_not_heard() {
    as_root("what_arrives_on_another_interface_is_not_heard", || async {
        let wire = wire().await;
        wire.right.enter();
        ip("link add other type veth peer name far");
        ip("link set other up");
        ip("link set far up");
        link_up("far").await;
        let mut right = open(&wire.right);
        let far = VrrpSocket::open(&IfName::new("far").unwrap(), index("far"), &BOTH, &[]).unwrap();
        let mut other =
            VrrpSocket::open(&IfName::new("other").unwrap(), index("other"), &BOTH, &[GROUP.into()]).unwrap();
        far.transmit(SOURCE.into(), GROUP.into(), &datagram(GROUP, 255, b"x")).unwrap();
        assert_eq!(next(&mut other).await.interface.as_str(), "other");
        assert!(received(&mut right).is_none());
    });
}

#[test]
fn an_announcement_is_the_frame_on_the_wire() {
    as_root("an_announcement_is_the_frame_on_the_wire", || async {
        let wire = wire().await;
        let left = open(&wire.left);
        wire.right.enter();
        let everything = i32::from(0x0003_u16.to_be()); // ETH_P_ALL
        let sniffer = Socket::new(Domain::PACKET, Type::RAW, Some(Protocol::from(everything))).unwrap();
        sniffer.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let mut frame = vec![0xff; 6];
        frame.extend([0x02, 0, 0, 0, 0, 9, 0x08, 0x06]);
        frame.extend([0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 9, 10, 0, 0, 9, 0, 0, 0, 0, 0, 0, 10, 0, 0, 9]);
        left.announce(&frame).unwrap();
        let mut buffer = [0; 2048];
        loop {
            // Neighbour discovery of the fresh links comes by as well.
            let len = recv(sniffer.as_raw_fd(), &mut buffer, MsgFlags::empty()).expect("the frame");
            if buffer[..len] == frame {
                break;
            }
        }
    });
}

#[test]
fn failures_name_the_interface_and_what_was_tried() {
    as_root("failures_name_the_interface_and_what_was_tried", || async {
        let wire = wire().await;
        let error = VrrpSocket::open(&IfName::new("gone0").unwrap(), 4711, &BOTH, &[GROUP.into()]).unwrap_err();
        assert!(error.contains("gone0") && error.contains("No such device"), "{error}");
        let left = open(&wire.left);
        ip("link set eth0 down");
        assert!(left.transmit(SOURCE.into(), GROUP.into(), &datagram(GROUP, 255, b"x")).is_err());
        assert!(left.announce(&[0; 60]).is_err());
    });
}

#[test]
fn without_the_privilege_the_capability_is_named() {
    as_root("without_the_privilege_the_capability_is_named", || async {
        use rustix::thread::{CapabilitySet, capabilities, set_capabilities};
        // Of this thread alone.
        let mut sets = capabilities(None).unwrap();
        sets.effective.remove(CapabilitySet::NET_RAW);
        set_capabilities(None, sets).unwrap();
        let error = VrrpSocket::open(&IfName::new("lo").unwrap(), 1, &BOTH, &[]).unwrap_err();
        assert!(error.contains("CAP_NET_RAW"), "{error}");
    });
}

/// Gives both ends a link-local address that may be used at once.
fn link_local(wire: &Wire) -> [Ipv6Addr; 2] {
    [(&wire.left, 1), (&wire.right, 2)].map(|(namespace, last)| {
        namespace.enter();
        ip(&format!("addr add fe80::77:{last}/64 dev eth0 nodad"));
        Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0x77, last)
    })
}

#[test]
fn an_ipv6_advert_arrives_with_source_destination_and_hop_limit() {
    as_root("an_ipv6_advert_arrives_with_source_destination_and_hop_limit", || async {
        let wire = wire().await;
        let [here, there] = link_local(&wire);
        let (left, mut right) = (open(&wire.left), open(&wire.right));
        assert!(received(&mut right).is_none());
        // The first socket that wants stamps switches them on for the whole kernel, a moment later.
        tokio::time::sleep(Duration::from_millis(100)).await;
        for to in [GROUP6, there] {
            let before = clock::now();
            left.transmit(here.into(), to.into(), b"advert").unwrap();
            let sent = clock::now();
            tokio::time::sleep(Duration::from_millis(60)).await;
            let received = next(&mut right).await;
            let expected = Datagram::V6 { source: here, destination: to, hop_limit: 255, message: b"advert".to_vec() };
            assert_eq!(received.datagram, expected);
            let slack = Duration::from_millis(30);
            assert!(received.at + slack >= before && received.at <= sent + slack, "receive time");
        }
        assert!(left_hears_nothing(left), "our own adverts do not come back");
    });
}

/// Not the kernel's choice: the address that was asked for, even if it is not there any more.
#[test]
fn an_ipv6_advert_leaves_from_the_address_that_it_names() {
    as_root("an_ipv6_advert_leaves_from_the_address_that_it_names", || async {
        let wire = wire().await;
        link_local(&wire);
        let (left, mut right) = (open(&wire.left), open(&wire.right));
        let gone: Ipv6Addr = "fe80::99".parse().unwrap();
        left.transmit(gone.into(), GROUP6.into(), b"resigns").unwrap();
        match next(&mut right).await.datagram {
            Datagram::V6 { source, message, .. } => assert_eq!((source, message), (gone, b"resigns".to_vec())),
            other @ Datagram::V4(_) => panic!("{other:?}"),
        }
    });
}

#[test]
fn only_frames_that_claim_a_watched_address_arrive() {
    as_root("only_frames_that_claim_a_watched_address_arrive", || async {
        let wire = wire().await;
        let (left, mut right) = (open(&wire.left), open(&wire.right));
        let (mac, watched) = ([2, 0, 0, 0, 0, 9], ["10.0.0.100", "10.0.0.7", "2001:db8::100", "2001:db8::107"]);
        let watched: Vec<IpAddr> = watched.iter().map(|ip| ip.parse().unwrap()).collect();
        right.watch(&watched).unwrap();
        // Each differs from a watched one in one word.
        let others = ["10.0.0.101", "2001:db9::100", "2001:db8:1::100", "2001:db8::1:0:0:100", "2001:db8::101"];
        for ip in others {
            left.announce(&announcement(mac, ip.parse().unwrap())).unwrap();
        }
        for ip in &watched {
            let before = clock::now();
            left.announce(&announcement(mac, *ip)).unwrap();
            let event = next_event(&mut right).await;
            let Event::FrameReceived { interface, frame, at } = event else { panic!("{event:?}") };
            assert_eq!((interface.as_str(), frame), ("eth0", announcement(mac, *ip)));
            assert!(at + Duration::from_millis(50) >= before && at <= clock::now(), "receive time");
        }
        // Our own are no news, and nothing is once nothing is watched.
        right.announce(&announcement(mac, watched[0])).unwrap();
        assert!(received(&mut right).is_none());
        right.watch(&[]).unwrap();
        left.announce(&announcement(mac, watched[0])).unwrap();
        left.transmit(SOURCE.into(), GROUP.into(), &datagram(GROUP, 255, b"x")).unwrap();
        assert_eq!(&bytes(&next(&mut right).await)[20..], b"x");
        assert!(received(&mut right).is_none());
    });
}

#[test]
fn as_many_addresses_are_watched_as_the_kernel_takes() {
    as_root("as_many_addresses_are_watched_as_the_kernel_takes", || async {
        let wire = wire().await;
        let mut right = open(&wire.right);
        let many: Vec<IpAddr> = (0..1000_u16).map(|n| Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, n).into()).collect();
        right.watch(&many).unwrap();
        let left = open(&wire.left);
        left.announce(&announcement([2, 0, 0, 0, 0, 9], many[127])).unwrap();
        assert!(matches!(next_event(&mut right).await, Event::FrameReceived { .. }));
    });
}
