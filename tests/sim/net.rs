//! The segment: latency, loss, duplication, corruption, one-way partitions.

use std::collections::BTreeSet;

use crate::rng::Rng;

#[derive(Debug, Clone, Default)]
pub struct Segment {
    /// Frames from the first host to the second are lost.
    pub cut: BTreeSet<(usize, usize)>,
    pub loss_permille: u64,
    /// Of hellos alone, beside the former.
    pub hello_loss_permille: u64,
    /// Of adverts alone, beside the former.
    pub advert_loss_permille: u64,
    pub duplicate_permille: u64,
    pub corrupt_permille: u64,
    /// Now and then a frame is this much later than others.
    pub straggle_us: u64,
}

impl Segment {
    pub fn is_calm(&self) -> bool {
        self.cut.is_empty()
            && self.loss_permille == 0
            && self.advert_loss_permille == 0
            && self.hello_loss_permille == 0
            && self.corrupt_permille == 0
            && self.straggle_us == 0
    }

    /// Copies of a frame that arrive, as delay in microseconds and bytes.
    pub fn carry(&self, rng: &mut Rng, from: usize, to: usize, bytes: &[u8]) -> Vec<(u64, Vec<u8>)> {
        let mut copies = Vec::new();
        if self.cut.contains(&(from, to)) || rng.chance(self.loss_permille) {
            return copies;
        }
        let count = if rng.chance(self.duplicate_permille) { 2 } else { 1 };
        for _ in 0..count {
            let mut bytes = bytes.to_vec();
            if rng.chance(self.corrupt_permille) && !bytes.is_empty() {
                if rng.chance(200) {
                    let keep = rng.index(bytes.len());
                    bytes.truncate(keep);
                } else {
                    let at = rng.index(bytes.len());
                    bytes[at] ^= 1 << rng.below(8);
                }
            }
            let straggle = if rng.chance(100) { rng.below(self.straggle_us + 1) } else { 0 };
            copies.push((rng.between(30, 300) + straggle, bytes));
        }
        copies
    }
}
