//! The floor that loudness is measured from: what is exceeded four fifths of the time, for half a minute at a time.

/// Windows of a block, in which the floor is constant.
pub const BLOCK: usize = 300;
/// A last block of fewer windows joins the one before.
const SHORTEST: usize = BLOCK / 2;
/// No floor is below this, in hundredths of dBFS: below it is the noise of converters.
pub const LOWEST: i16 = -9_000;

/// How a file's windows are divided: first and end of each block.
pub fn blocks(windows: usize) -> impl Iterator<Item = std::ops::Range<usize>> {
    let rest = windows % BLOCK;
    let count = windows / BLOCK + usize::from(rest >= SHORTEST || (windows < BLOCK && rest > 0));
    (0..count).map(move |n| n * BLOCK..if n + 1 == count { windows } else { (n + 1) * BLOCK })
}

/// Number of the block that a window is in, of so many blocks.
pub fn block_of(window: usize, blocks: usize) -> usize {
    (window / BLOCK).min(blocks.saturating_sub(1))
}

/// Place of the nearest-rank 20th percentile in a sorted list: ⌈0.2·n⌉ - 1.
pub fn rank(count: usize) -> usize {
    count.div_ceil(5).saturating_sub(1)
}

/// One a block, from levels in hundredths of dBFS.
pub fn floors(levels: &[i16]) -> Vec<i16> {
    let mut space = Vec::with_capacity(BLOCK + SHORTEST);
    blocks(levels.len())
        .map(|block| {
            space.clear();
            space.extend_from_slice(&levels[block]);
            // No block is empty.
            let at = rank(space.len());
            (*space.select_nth_unstable(at).1).max(LOWEST)
        })
        .collect()
}

/// The lower one of the two in the middle; the lowest of all when there is none.
pub fn median(floors: &[i16]) -> i16 {
    let mut sorted = floors.to_vec();
    sorted.sort_unstable();
    sorted.get((sorted.len().max(1) - 1) / 2).copied().unwrap_or(LOWEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_last_block_joins_the_one_before() {
        let check = |windows, expected: &[(usize, usize)]| {
            let found: Vec<_> = blocks(windows).map(|block| (block.start, block.end)).collect();
            assert_eq!(found, expected, "{windows} windows");
            for (n, &(begin, end)) in expected.iter().enumerate() {
                assert_eq!((block_of(begin, expected.len()), block_of(end - 1, expected.len())), (n, n));
            }
        };
        check(0, &[]);
        check(1, &[(0, 1)]);
        check(149, &[(0, 149)]);
        check(300, &[(0, 300)]);
        check(301, &[(0, 301)]);
        check(449, &[(0, 449)]);
        check(450, &[(0, 300), (300, 450)]);
        check(749, &[(0, 300), (300, 749)]);
        check(900, &[(0, 300), (300, 600), (600, 900)]);
    }

    #[test]
    fn the_20th_percentile_by_nearest_rank() {
        let check = |levels: &[i16], expected: i16| assert_eq!(floors(levels), [expected], "{levels:?}");
        check(&[-5], -5);
        check(&[-1, -2, -3, -4, -5], -5);
        check(&[-1, -2, -3, -4, -5, -6], -5);
        check(&[-6, -1, -5, -2, -4, -3, -7, -8, -9, -10], -9);
        check(&[-6, -1, -5, -2, -4, -3, -7, -8, -9, -10, -11], -9);
        check(&[-9_500, -9_400], -9_000);
        check(&[-8_999, 0, 0, 0, 0], -8_999);
        assert!(floors(&[]).is_empty());
    }

    #[test]
    fn each_block_has_its_own() {
        let levels: Vec<i16> = (0..749).map(|k| if k < 300 { -5_000 } else { -4_000 - k as i16 }).collect();
        // 449 values from -4748 up: the 90th.
        assert_eq!(floors(&levels), [-5_000, -4_748 + 89]);
    }

    #[test]
    fn the_middle_of_floors() {
        for (floors, expected) in [(&[][..], -9_000), (&[-5], -5), (&[-5, -7], -7), (&[-5, -7, -9], -7)] {
            assert_eq!(median(floors), expected, "{floors:?}");
        }
    }
}
