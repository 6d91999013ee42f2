//! The parts of netlink that need no kernel.

use super::*;

fn extended(attributes: &[u8]) -> Vec<u8> {
    let mut message = vec![0; 16];
    message.extend_from_slice(attributes);
    message
}

#[test]
fn the_text_of_an_extended_ack_is_found_behind_other_attributes() {
    let offset = [8, 0, 2, 0, 1, 0, 0, 0];
    let text = [11, 0, 1, 0, b'n', b'o', b' ', b'w', b'a', b'y', 0, 0];
    let message = extended(&[offset.as_slice(), text.as_slice()].concat());
    assert_eq!(explanation(&message).as_deref(), Some("no way"));
}

#[test]
fn a_broken_extended_ack_has_no_text_and_does_no_harm() {
    for attributes in [&[][..], &[1], &[0, 0, 2, 0], &[4, 0, 2, 0], &[255, 255, 1, 0, 1], &[3, 0, 1, 0, 7]] {
        assert_eq!(explanation(&extended(attributes)), None, "{attributes:?}");
    }
    assert_eq!(explanation(&[1, 2, 3]), None);
}

#[test]
fn missing_privilege_names_the_capability() {
    let refused = NetlinkError::Refused { error: Errno::EPERM, text: String::new() };
    assert_eq!(refused.to_string(), "EPERM: Operation not permitted: vipkeeper needs the capability CAP_NET_ADMIN");
    let refused = NetlinkError::Refused { error: Errno::EINVAL, text: "ipv4: Invalid prefix length".to_owned() };
    assert_eq!(refused.to_string(), "EINVAL: Invalid argument (ipv4: Invalid prefix length)");
}
