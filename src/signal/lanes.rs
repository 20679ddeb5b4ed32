//! Several samples at a time: what the hot loops of analysis are made of.

use wide::{f64x2, i16x8, i32x4, i32x8};

pub const ONES: i16x8 = i16x8::new([1; 8]);

/// Eight samples of 16 bits, little endian, out of 16 bytes.
pub fn s16x8(bytes: &[u8]) -> i16x8 {
    let eight: [i16; 8] = bytemuck::pod_read_unaligned(bytes); // chunks of 16, at every caller
    i16x8::new(if cfg!(target_endian = "big") { eight.map(i16::swap_bytes) } else { eight })
}

/// Samples that have no more than 16 bits, as little-endian bytes: as many as both have room for.
pub fn pack_s16(samples: &[i32], pcm: &mut [u8]) {
    let whole = samples.len().min(pcm.len() / 2) / 8 * 8;
    let ((samples, last), (pcm, last_pcm)) = (samples.split_at(whole), pcm.split_at_mut(2 * whole));
    for (eight, bytes) in samples.chunks_exact(8).zip(pcm.chunks_exact_mut(16)) {
        let eight: [i32; 8] = bytemuck::pod_read_unaligned(bytemuck::cast_slice(eight)); // a chunk of eight
        let eight = i16x8::from_i32x8_saturate(i32x8::new(eight)).to_array();
        let eight = if cfg!(target_endian = "big") { eight.map(i16::swap_bytes) } else { eight };
        bytes.copy_from_slice(bytemuck::bytes_of(&eight));
    }
    for (sample, bytes) in last.iter().zip(last_pcm.chunks_exact_mut(2)) {
        bytes.copy_from_slice(&(*sample as i16).to_le_bytes());
    }
}

/// Left and right added up and multiplied by the third, of frames of two samples of 16 bits; as many as there are sums.
pub fn add_up_s16(pcm: &[u8], sums: &mut [f64], by: &[f64]) {
    let whole = sums.len() / 4 * 4;
    let ((pcm, last_pcm), (sums, last), (by, last_by)) = (pcm.split_at(whole * 4), sums.split_at_mut(whole), by.split_at(whole));
    for ((bytes, sums), by) in pcm.chunks_exact(16).zip(sums.chunks_exact_mut(4)).zip(by.chunks_exact(4)) {
        let [a, b, c, d] = s16x8(bytes).dot(ONES).to_array();
        let product = |a: i32, b: i32, by: &[f64]| (f64x2::from_i32x4_lower2(i32x4::new([a, b, 0, 0])) * two(by)).to_array();
        let (front, back) = by.split_at(2);
        let ([a, b], [c, d]) = (product(a, b, front), product(c, d, back));
        sums.copy_from_slice(&[a, b, c, d]);
    }
    for ((frame, sum), by) in last_pcm.chunks_exact(4).zip(last).zip(last_by) {
        let at = |i: usize| i32::from(i16::from_le_bytes([frame[i], frame[i + 1]]));
        *sum = f64::from(at(0) + at(2)) * by;
    }
}

/// Two numbers.
pub fn two(values: &[f64]) -> f64x2 {
    f64x2::new(bytemuck::pod_read_unaligned(bytemuck::cast_slice(values))) // chunks of two, at every caller
}

/// Two neighbouring complex numbers, of four values: their real parts and their imaginary ones.
pub fn parts(values: &[f64]) -> [f64x2; 2] {
    let [a, b, c, d]: [f64; 4] = bytemuck::pod_read_unaligned(bytemuck::cast_slice(values)); // chunks of four, at every caller
    [f64x2::new([a, c]), f64x2::new([b, d])]
}

/// Adds each to its sum.
pub fn add_to(sums: &mut [f64], values: &[f64]) {
    let whole = sums.len() / 2 * 2;
    let ((sums, last), (values, last_values)) = (sums.split_at_mut(whole), values.split_at(whole.min(values.len())));
    for (pair, values) in sums.chunks_exact_mut(2).zip(values.chunks_exact(2)) {
        let sum = two(pair) + two(values);
        pair.copy_from_slice(sum.as_array_ref());
    }
    for (sum, value) in last.iter_mut().zip(last_values) {
        *sum += value;
    }
}

/// Each times the one beside it.
pub fn multiply(values: &[f64], by: &[f64], products: &mut [f64]) {
    let pairs = values.chunks_exact(2).zip(by.chunks_exact(2)).zip(products.chunks_exact_mut(2));
    for ((values, by), products) in pairs {
        products.copy_from_slice((two(values) * two(by)).as_array_ref());
    }
    let whole = values.len() / 2 * 2;
    let last = values.iter().zip(by).zip(products).skip(whole);
    last.for_each(|((value, by), product)| *product = value * by);
}

/// Of what becomes of each, four pairs side by side.
pub fn sum(values: &[f64], of: impl Fn(f64x2) -> f64x2) -> f64 {
    let mut sums = [f64x2::ZERO; 4];
    let eights = values.chunks_exact(8);
    for value in eights.remainder() {
        sums[0] += of(f64x2::new([*value, 0.0])) - of(f64x2::ZERO);
    }
    for eight in eights {
        sums.iter_mut().zip(eight.chunks_exact(2)).for_each(|(sum, pair)| *sum += of(two(pair)));
    }
    ((sums[0] + sums[1]) + (sums[2] + sums[3])).reduce_add()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLES: [i16; 14] = [0, 1, -1, 2, i16::MIN, i16::MAX, i16::MIN, i16::MIN, i16::MAX, i16::MAX, 300, -300, 7, -9];

    fn bytes(samples: &[i16]) -> Vec<u8> {
        samples.iter().flat_map(|x| x.to_le_bytes()).collect()
    }

    #[test]
    fn lanes_are_in_the_order_of_samples() {
        let pcm = bytes(&SAMPLES);
        assert_eq!(s16x8(&pcm[..16]).to_array(), SAMPLES[..8]);
    }

    #[test]
    fn packing_keeps_every_sample() {
        for count in 0..=SAMPLES.len() {
            let samples: Vec<i32> = SAMPLES[..count].iter().map(|&x| x.into()).collect();
            let mut pcm = vec![0x55; 2 * count + 2];
            pack_s16(&samples, &mut pcm);
            assert_eq!((&pcm[..2 * count], &pcm[2 * count..]), (&bytes(&SAMPLES[..count])[..], &[0x55, 0x55][..]));
        }
    }

    #[test]
    fn sums_and_products_of_any_number() {
        const BY: [f64; 7] = [2.0, 3.0, 5.0, 7.0, 11.0, 13.0, 17.0];
        for frames in 0..=7 {
            let mut sums = vec![f64::NAN; frames];
            add_up_s16(&bytes(&SAMPLES[..2 * frames]), &mut sums, &BY[..frames]);
            let sum = |frame: &[i16]| f64::from(frame[0]) + f64::from(frame[1]);
            let expected: Vec<f64> = SAMPLES.chunks(2).zip(BY).map(|(frame, by)| sum(frame) * by).collect();
            assert_eq!(sums, expected[..frames]);
            add_to(&mut sums, &BY[..frames]);
            let added: Vec<f64> = expected.iter().zip(BY).map(|(a, b)| a + b).collect();
            assert_eq!(sums, added[..frames]);
        }
    }

    #[test]
    fn products_and_sums_of_any_length() {
        for length in 0..=19 {
            let values: Vec<f64> = (0..length).map(|i| f64::from(i * i + 1)).collect();
            let by: Vec<f64> = (0..length).map(|i| f64::from(3 - i)).collect();
            let mut products = vec![f64::NAN; values.len()];
            multiply(&values, &by, &mut products);
            let expected: Vec<f64> = values.iter().zip(&by).map(|(value, by)| value * by).collect();
            assert_eq!(products, expected);
            assert_eq!(sum(&values, |x| x * x), values.iter().map(|x| x * x).sum::<f64>());
            let roots = values.iter().map(|x| x.sqrt()).sum::<f64>();
            assert!((sum(&values, f64x2::sqrt) - roots).abs() < 1e-9);
        }
    }

    #[test]
    fn real_and_imaginary_parts() {
        assert_eq!(parts(&[1.0, 2.0, 3.0, 4.0]), [f64x2::new([1.0, 3.0]), f64x2::new([2.0, 4.0])]);
    }
}
