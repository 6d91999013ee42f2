//! The queue between those who log and a reader that may not read.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use super::*;

#[test]
fn lines_leave_in_their_order_before_a_flush_ends() {
    let (queue, messages) = Queue::new();
    let (mut reader, mut writer) = io::pipe().unwrap();
    queue.put(b"first\n");
    queue.put(b"second\n");
    std::thread::scope(|scope| {
        let (queue, writer) = (&queue, &mut writer);
        scope.spawn(move || queue.write_out(messages.iter().take(3), writer));
        queue.flush(Duration::from_secs(60));
        let mut text = [0; 13];
        io::Read::read_exact(&mut reader, &mut text).unwrap();
        assert_eq!(&text, b"first\nsecond\n");
    });
    assert_eq!(queue.waiting_bytes.load(Ordering::Relaxed), 0);
}

#[test]
fn without_a_reader_nobody_waits_and_what_is_kept_is_bounded() {
    let (queue, messages) = Queue::new();
    let line = vec![b'x'; 1000];
    for _ in 0..2000 {
        queue.put(&line);
    }
    let kept = messages.try_iter().count();
    assert_eq!(kept, WAITING_BYTES_MAX / 1000);
    assert_eq!(queue.lost_lines.load(Ordering::Relaxed), 2000 - u64::try_from(kept).unwrap());
}
