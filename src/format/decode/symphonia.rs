//! MP3, AAC and Vorbis packets to samples: the door to symphonia, whose decoders alone are used. Which bytes are a packet, and
//! where in the recording it stands, is found by our own framers.

use symphonia::core::audio::{Audio, GenericAudioBufferRef, layouts};
use symphonia::core::codecs::audio::well_known::{CODEC_ID_AAC, CODEC_ID_MP3, CODEC_ID_VORBIS};
use symphonia::core::codecs::audio::{AudioCodecParameters, AudioDecoder, AudioDecoderOptions};
use symphonia::core::packet::PacketRef;
use symphonia::core::units::{Duration, Timestamp};
use symphonia::default::codecs::{AacDecoder, MpaDecoder, VorbisDecoder};

use super::super::Flaw;
use super::wav::from_float;

pub struct Packets {
    decoder: Box<dyn AudioDecoder>,
    channels: u8,
}

impl Packets {
    pub fn mp3(channels: u8) -> Result<Packets, Flaw> {
        let mut what = AudioCodecParameters::new();
        what.for_codec(CODEC_ID_MP3);
        let decoder = MpaDecoder::try_new(&what, &options()).map_err(refused)?;
        Ok(Packets { decoder: Box::new(decoder), channels })
    }

    /// AAC LC in one or two channels. Of HE-AAC the core is decoded, at half the rate and without its upper octave.
    pub fn aac(rate_hz: u32, channels: u8) -> Result<Packets, Flaw> {
        let layout = match channels {
            1 => layouts::CHANNEL_LAYOUT_MONO,
            2 => layouts::CHANNEL_LAYOUT_STEREO,
            _ => return Err(Flaw::Unsupported("AAC with more than two channels")),
        };
        let mut what = AudioCodecParameters::new();
        what.for_codec(CODEC_ID_AAC).with_sample_rate(rate_hz).with_channels(layout);
        let decoder = AacDecoder::try_new(&what, &options()).map_err(refused)?;
        Ok(Packets { decoder: Box::new(decoder), channels })
    }

    /// By the first and the third header packet. One or two channels: where several pairs are coupled, symphonia 0.6.1 undoes
    /// that in the wrong order (specification, 4.3.5), and gives noise.
    pub fn vorbis(ident: &[u8], setup: &[u8], channels: u8) -> Result<Packets, Flaw> {
        if channels > 2 {
            return Err(Flaw::Unsupported("Vorbis with more than two channels"));
        }
        let mut what = AudioCodecParameters::new();
        what.for_codec(CODEC_ID_VORBIS).with_extra_data([ident, setup].concat().into_boxed_slice());
        let decoder = VorbisDecoder::try_new(&what, &options()).map_err(refused)?;
        Ok(Packets { decoder: Box::new(decoder), channels })
    }

    /// Forgets what came before.
    pub fn reset(&mut self) {
        self.decoder.reset();
    }

    /// Appends the packet's samples, interleaved, 24 bits; `false` when it cannot be decoded.
    pub fn decode(&mut self, packet: &[u8], out: &mut Vec<i32>) -> bool {
        let packet = PacketRef::new(0, Timestamp::ZERO, Duration::ZERO, packet);
        let Ok(GenericAudioBufferRef::F32(sound)) = self.decoder.decode_ref(&packet) else { return false };
        let (channels, frames) = (usize::from(self.channels), sound.frames());
        if sound.num_planes() != channels {
            return false;
        }
        let start = out.len();
        out.resize(start + frames * channels, 0);
        for channel in 0..channels {
            let Some(plane) = sound.plane(channel) else { continue };
            for (place, &sample) in out[start..].iter_mut().skip(channel).step_by(channels).zip(plane) {
                *place = from_float(sample.into());
            }
        }
        true
    }
}

/// The first Vorbis packet yields nothing, as its half of the overlap is missing; nothing else is trimmed.
fn options() -> AudioDecoderOptions {
    AudioDecoderOptions::default().gapless(true)
}

fn refused(e: symphonia::core::errors::Error) -> Flaw {
    match e {
        symphonia::core::errors::Error::Unsupported(why) => Flaw::Unsupported(why),
        symphonia::core::errors::Error::DecodeError(why) => Flaw::IllFormed(why),
        _ => Flaw::IllFormed("its headers end too early"),
    }
}
