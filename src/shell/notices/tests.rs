use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread::JoinHandle;

use nix::sys::stat::Mode;

use super::*;
use crate::config::MailTls;
use crate::units::Name;

fn notice(state: &str) -> Notice {
    Notice {
        at: clock::wall().1,
        kind: "INSTANCE".to_owned(),
        name: "www".to_owned(),
        state: state.to_owned(),
        priority: 254,
        why: "nobody is active".to_owned(),
    }
}

fn notifier(channel: Channel) -> Notifier {
    Notifier { name: Name::new("n").unwrap(), channel, every: Duration::ZERO, states: Vec::new() }
}

/// Tells these in order, and ends.
fn told(state_dir: &Path, notifier: &Notifier, states: &[&str]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (sender, reports) = mpsc::channel(8);
        let running = tokio::spawn(run(state_dir.to_owned(), "lb1".to_owned(), reports));
        for state in states {
            sender.send(Report { notice: notice(state), to: vec![notifier.clone()] }).await.unwrap();
        }
        drop(sender);
        running.await.unwrap();
    });
}

/// A server that takes one connection, and what it was told.
fn server(talk: impl FnOnce(TcpStream) -> String + Send + 'static) -> (SocketAddr, JoinHandle<String>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    (address, std::thread::spawn(move || talk(listener.accept().unwrap().0)))
}

/// One request, answered with that status.
fn http(mut stream: TcpStream, status: &str) -> String {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        head += &line;
        if line.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").unwrap();
    head + &String::from_utf8(body).unwrap()
}

fn hook(address: SocketAddr) -> Notifier {
    notifier(Channel::Webhook {
        url: format!("http://{address}/vip"),
        headers: BTreeMap::from([("X-Team".to_owned(), "edge".to_owned())]),
        body: None,
    })
}

#[test]
fn a_pipe_gets_each_line_in_order_whether_somebody_reads_yet_or_not() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("fifo");
    // Who holds it open keeps what is in it.
    nix::unistd::mkfifo(&path, Mode::S_IRUSR | Mode::S_IWUSR).unwrap();
    let mut reader = BufReader::new(File::options().read(true).write(true).open(&path).unwrap());
    told(dir.path(), &notifier(Channel::Fifo { path }), &["BACKUP", "MASTER"]);
    let mut lines = String::new();
    reader.read_line(&mut lines).unwrap();
    reader.read_line(&mut lines).unwrap();
    assert_eq!(lines, "INSTANCE \"www\" BACKUP 254\nINSTANCE \"www\" MASTER 254\n");
}

#[test]
fn a_file_in_the_place_of_a_pipe_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    std::fs::write(&path, "precious").unwrap();
    told(dir.path(), &notifier(Channel::Fifo { path: path.clone() }), &["MASTER"]);
    assert_eq!(std::fs::read_to_string(path).unwrap(), "precious");
}

#[test]
fn a_webhook_is_told_with_its_headers() {
    let dir = tempfile::tempdir().unwrap();
    let (address, server) = server(|stream| http(stream, "204 No Content"));
    told(dir.path(), &hook(address), &["MASTER"]);
    let request = server.join().unwrap();
    assert!(request.starts_with("POST /vip HTTP/1.1\r\n"), "{request}");
    assert!(request.to_ascii_lowercase().contains("x-team: edge"), "{request}");
    assert!(request.contains("\"node\":\"lb1\",\"dropped\":0,\"notices\":[{\"time\":\""), "{request}");
}

#[test]
fn what_a_server_does_not_take_waits_over_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let (address, refusing) = server(|stream| http(stream, "503 Service Unavailable"));
    told(dir.path(), &hook(address), &["BACKUP"]);
    refusing.join().unwrap();
    let (address, taking) = server(|stream| http(stream, "200 OK"));
    told(dir.path(), &hook(address), &["MASTER"]);
    let request = taking.join().unwrap();
    let (before, after) = (request.find("BACKUP").unwrap(), request.find("MASTER").unwrap());
    assert!(before < after, "{request}");
    // And once only.
    assert_eq!(left_over(&dir.path().join(DIRECTORY)), []);
}

#[test]
fn a_mail_is_sent_to_all() {
    let dir = tempfile::tempdir().unwrap();
    let (address, server) = server(|mut stream| {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut said = String::new();
        let mut in_data = false;
        stream.write_all(b"220 sink\r\n").unwrap();
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap() == 0 {
                return said;
            }
            said += &line;
            let answer = match line.trim_end() {
                "." => {
                    in_data = false;
                    "250 taken"
                }
                _ if in_data => continue,
                "DATA" => {
                    in_data = true;
                    "354 go on"
                }
                "QUIT" => "221 bye",
                _ => "250 sink",
            };
            write!(stream, "{answer}\r\n").unwrap();
        }
    });
    let channel = Channel::Email {
        server: "127.0.0.1".to_owned(),
        port: address.port(),
        tls: MailTls::None,
        from: "vip@example.com".to_owned(),
        to: vec!["a@example.com".to_owned(), "b@example.com".to_owned()],
        login: None,
    };
    told(dir.path(), &notifier(channel), &["FAULT"]);
    let said = server.join().unwrap();
    for expect in [
        "RCPT TO:<a@example.com>",
        "RCPT TO:<b@example.com>",
        "Subject: [lb1] INSTANCE www FAULT",
        "VIP www cannot be on lb1: nobody is active",
    ] {
        assert!(said.contains(expect), "no {expect:?} in\n{said}");
    }
}
