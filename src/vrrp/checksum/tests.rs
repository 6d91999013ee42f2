use super::*;

/// RFC 1071 section 4.1: carries are added again, an odd byte is the high half of a word.
#[test]
fn sums_of_words_carries_and_an_odd_byte() {
    let table: [(u16, &[u8], u16); 6] = [
        (0, &[], 0),
        (0, &[0x01, 0x02, 0x03, 0x04], 0x0406),
        (0, &[0x01, 0x02, 0x03], 0x0402),
        (0x0100, &[0x03], 0x0400),
        (0xffff, &[0x00, 0x01], 0x0001),
        (0xffff, &[0xff, 0xff, 0xff, 0xff], 0xffff),
    ];
    for (start, bytes, expect) in table {
        assert_eq!(sum(start, bytes), expect, "{start:#06x} {bytes:02x?}");
    }
}
