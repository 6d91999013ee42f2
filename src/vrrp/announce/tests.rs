use super::gratuitous_arp;

#[test]
fn gratuitous_arp_is_a_broadcast_request_for_itself() {
    let frame = gratuitous_arp([2, 0, 0, 0, 0, 7], [192, 0, 2, 9].into());
    let hex: String = frame.iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!(
        hex,
        "ffffffffffff020000000007080600010800060400010200000000\
         07c0000209ffffffffffffc0000209"
            .replace(' ', "")
    );
    assert_eq!(frame.len(), 42);
}
