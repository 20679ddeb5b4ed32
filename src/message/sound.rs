//! What sound is on its way: its shape, how it is coded, and what kind of file it goes into.

use crate::time::Rate;

/// Bits a sample has on its way and in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Depth {
    Sixteen,
    TwentyFour,
}

impl Depth {
    pub const fn bits(self) -> u8 {
        match self {
            Depth::Sixteen => 16,
            Depth::TwentyFour => 24,
        }
    }

    pub const fn bytes(self) -> usize {
        self.bits() as usize / 8
    }
}

/// What the bytes of a block mean: interleaved, little endian, signed, two or three bytes a sample, exactly as in a WAV file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PcmFormat {
    pub rate: Rate,
    /// 1 to 8.
    pub channels: u8,
    pub depth: Depth,
}

impl PcmFormat {
    pub const fn frame_bytes(self) -> usize {
        self.channels as usize * self.depth.bytes()
    }

    pub const fn bytes_per_second(self) -> usize {
        self.frame_bytes() * self.rate.hz() as usize
    }
}

/// How sound is coded that is kept as it comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    Mp3,
    /// In ADTS frames.
    Aac,
    /// In Ogg.
    Vorbis,
    /// In Ogg.
    Opus,
    OggFlac,
    Flac,
}

impl Codec {
    /// As sidecars and logs call it.
    pub const fn name(self) -> &'static str {
        match self {
            Codec::Mp3 => "mp3",
            Codec::Aac => "aac",
            Codec::Vorbis => "vorbis",
            Codec::Opus => "opus",
            Codec::OggFlac => "ogg-flac",
            Codec::Flac => "flac",
        }
    }

    pub const ALL: [Codec; 6] = [Codec::Mp3, Codec::Aac, Codec::Vorbis, Codec::Opus, Codec::OggFlac, Codec::Flac];
}

/// What the frames of a file are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Format {
    /// Of the codec's time stamps: 48 kHz for every Opus.
    pub rate: Rate,
    /// 1 to 8 for PCM; what a stream says, 0 where it does not say.
    pub channels: u8,
    pub samples: Samples,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Samples {
    /// Captured here.
    Pcm(Depth),
    /// Kept as they came.
    Coded(Codec),
}

impl Format {
    pub const fn coded(codec: Codec, rate: Rate, channels: u8) -> Format {
        Format { rate, channels, samples: Samples::Coded(codec) }
    }

    pub const fn pcm(self) -> Option<PcmFormat> {
        match self.samples {
            Samples::Pcm(depth) => Some(PcmFormat { rate: self.rate, channels: self.channels, depth }),
            Samples::Coded(_) => None,
        }
    }

    /// Of a sample as captured; 0 for a stream.
    pub const fn bits(self) -> u8 {
        match self.samples {
            Samples::Pcm(depth) => depth.bits(),
            Samples::Coded(_) => 0,
        }
    }

    pub const fn codec(self) -> Option<Codec> {
        match self.samples {
            Samples::Pcm(_) => None,
            Samples::Coded(codec) => Some(codec),
        }
    }
}

impl From<PcmFormat> for Format {
    fn from(PcmFormat { rate, channels, depth }: PcmFormat) -> Format {
        Format { rate, channels, samples: Samples::Pcm(depth) }
    }
}

/// What kind of file the bytes of a lane make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Container {
    Wav,
    Flac,
    Mp3,
    /// ADTS frames.
    Aac,
    /// Vorbis or FLAC.
    Ogg,
    Opus,
}

impl Container {
    /// Without the dot.
    pub const fn extension(self) -> &'static str {
        match self {
            Container::Wav => "wav",
            Container::Flac => "flac",
            Container::Mp3 => "mp3",
            Container::Aac => "aac",
            Container::Ogg => "ogg",
            Container::Opus => "opus",
        }
    }

    pub const ALL: [Container; 6] =
        [Container::Wav, Container::Flac, Container::Mp3, Container::Aac, Container::Ogg, Container::Opus];

    pub fn of_extension(extension: &str) -> Option<Container> {
        Container::ALL.into_iter().find(|container| container.extension() == extension)
    }
}
