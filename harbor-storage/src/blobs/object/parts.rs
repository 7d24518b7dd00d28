//! How large the parts of a multipart upload are.

/// The size of the first thousand parts, in bytes. S3 takes no less than 5 MiB.
const FIRST: u64 = 8 * 1024 * 1024;

/// So many parts of one size, then the size doubles. Some stores want all parts of one size: they have it up to 7.8 GiB.
const STEP: usize = 1000;

/// S3's largest part is 5 GiB.
const LAST_STEP: usize = 9;

/// The size of part `number` (from 0), in bytes; the last part of an upload may be smaller.
pub(super) fn size(number: usize) -> u64 {
    FIRST << (number / STEP).min(LAST_STEP)
}

/// The size of the first `count` parts together, in bytes.
pub(super) fn total(count: usize) -> u64 {
    (0..=count / STEP).map(|step| size(step * STEP) * (count - step * STEP).min(STEP) as u64).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_thousand_parts_hold_five_tebibytes() {
        assert!(total(10_000) > 5 << 40);
        assert!(size(9_999) < 5 << 30);
    }

    #[test]
    fn totals_are_sums() {
        let mut sum = 0;
        for count in 0..10_500 {
            assert_eq!(total(count), sum, "{count}");
            sum += size(count);
        }
    }
}
