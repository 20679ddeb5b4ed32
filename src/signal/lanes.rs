//! Several samples at a time: what the hot loops of analysis are made of.

use wide::{f64x2, i16x8, i32x8};

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

/// Left and right added up, of frames of two samples of 16 bits.
pub fn add_up_s16(pcm: &[u8], sums: &mut [f64]) {
    let whole = sums.len() / 4 * 4;
    let ((pcm, last_pcm), (sums, last)) = (pcm.split_at(whole * 4), sums.split_at_mut(whole));
    for (bytes, sums) in pcm.chunks_exact(16).zip(sums.chunks_exact_mut(4)) {
        let [a, b, c, d] = s16x8(bytes).dot(ONES).to_array();
        sums.copy_from_slice(&[a.into(), b.into(), c.into(), d.into()]);
    }
    for (frame, sum) in last_pcm.chunks_exact(4).zip(last) {
        let at = |i: usize| i32::from(i16::from_le_bytes([frame[i], frame[i + 1]]));
        *sum = (at(0) + at(2)).into();
    }
}

/// Each by its own.
pub fn multiply(values: &mut [f64], by: &[f64]) {
    let whole = values.len() / 2 * 2;
    let ((values, last), (by, last_by)) = (values.split_at_mut(whole), by.split_at(whole.min(by.len())));
    for (two, by) in values.chunks_exact_mut(2).zip(by.chunks_exact(2)) {
        let product = f64x2::new([two[0], two[1]]) * f64x2::new([by[0], by[1]]);
        two.copy_from_slice(product.as_array_ref());
    }
    for (value, by) in last.iter_mut().zip(last_by) {
        *value *= by;
    }
}

/// Adds each to its sum.
pub fn add_to(sums: &mut [f64], values: &[f64]) {
    let whole = sums.len() / 2 * 2;
    let ((sums, last), (values, last_values)) = (sums.split_at_mut(whole), values.split_at(whole.min(values.len())));
    for (two, values) in sums.chunks_exact_mut(2).zip(values.chunks_exact(2)) {
        let sum = f64x2::new([two[0], two[1]]) + f64x2::new([values[0], values[1]]);
        two.copy_from_slice(sum.as_array_ref());
    }
    for (sum, value) in last.iter_mut().zip(last_values) {
        *sum += value;
    }
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
        for frames in 0..=7 {
            let mut sums = vec![f64::NAN; frames];
            add_up_s16(&bytes(&SAMPLES[..2 * frames]), &mut sums);
            let expected: Vec<f64> = SAMPLES.chunks(2).map(|frame| f64::from(frame[0]) + f64::from(frame[1])).collect();
            assert_eq!(sums, expected[..frames]);
            multiply(&mut sums, &[2.0, 3.0, 5.0, 7.0, 11.0, 13.0, 17.0][..frames]);
            let products: Vec<f64> = expected.iter().zip([2.0, 3.0, 5.0, 7.0, 11.0, 13.0, 17.0]).map(|(a, b)| a * b).collect();
            assert_eq!(sums, products[..frames]);
            add_to(&mut sums, &expected[..frames]);
            let added: Vec<f64> = products.iter().zip(&expected).map(|(a, b)| a + b).collect();
            assert_eq!(sums, added[..frames]);
        }
    }
}
