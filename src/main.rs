//! The command line: parses the words, hands over to `soundpost::command`, turns the outcome into an exit code.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use soundpost::command::{self, Exit, analyse, monitor, piece::Piece, play, record::Options, serve};
use soundpost::message::analysis::{Centibel, Detection, Detector};
use soundpost::signal::Scope;

/// Field audio recorder: sound cards to finished files, split on the clock, never losing a sample without a note.
#[derive(Parser)]
#[command(name = "soundpost", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Record all sources of the configuration until told to stop
    Record {
        /// The configuration
        #[arg(short, long, value_name = "FILE", default_value = "soundpost.ini")]
        config: PathBuf,
        /// Record a built-in soundscape into ./recordings: no hardware, no configuration
        #[arg(long, conflicts_with = "config")]
        demo: bool,
        /// Let an actor fail, to try the supervisor: ACTOR=panic|hang|stall:SECONDS@BEATS[xTIMES]
        #[arg(long, value_name = "DRILL", hide = true)]
        drill: Vec<String>,
    },
    /// Serve the page over a folder of recordings, whoever made them
    Serve {
        /// A folder of recordings
        folder: PathBuf,
        /// Port of the page; 0 takes any that is free
        #[arg(long, default_value_t = 8080)]
        port: u16,
        /// Address that the page listens on
        #[arg(long, default_value = "0.0.0.0")]
        bind: std::net::IpAddr,
        #[command(flatten)]
        detection: DetectionOptions,
        /// Folder of what is known of the recordings [default: analyses, in the folder]
        #[arg(long, value_name = "DIR")]
        analyses_dir: Option<PathBuf>,
    },
    /// Analyse recordings of any kind, with every core; what was analysed before is passed over
    Analyse {
        /// Recordings, or folders of them
        #[arg(required = true, value_name = "PATH")]
        paths: Vec<PathBuf>,
        /// A line of JSON for each recording, on stdout
        #[arg(long)]
        json: bool,
        /// Analyse those too that were analysed before
        #[arg(long)]
        again: bool,
        /// Only levels, and what stands out by them: no bands, spectrogram and indices, in a third less time
        #[arg(long, conflicts_with = "detector")]
        levels: bool,
        /// Recordings at once [default: as many as there are cores]
        #[arg(long, value_name = "N")]
        jobs: Option<usize>,
        #[command(flatten)]
        detection: DetectionOptions,
        /// Folder of what is known of the recordings [default: analyses, in their folder]
        #[arg(long, value_name = "DIR")]
        analyses_dir: Option<PathBuf>,
    },
    /// List capture devices with the ids that keep their meaning over reboots
    Devices,
    /// Show the effective configuration, every error with its line, and the memory budget
    Check {
        #[arg(short, long, value_name = "FILE", default_value = "soundpost.ini")]
        config: PathBuf,
    },
    /// Read a password from standard input and print the line password_hash for [web]
    HashPassword,
    /// Make unfinished recordings playable after a kill or a power cut
    Repair {
        /// Folders of recordings, or files: those ending in .part, and finished ones that were cut off later
        #[arg(required = true)]
        paths: Vec<PathBuf>,
    },
    /// Make the catalogue of a folder again, from its recordings and their sidecars
    Rebuild {
        /// A folder of recordings
        folder: PathBuf,
    },
    /// Delete what is too old, or must go for room, as the recorder does by itself
    Retention {
        /// The configuration
        #[arg(short, long, value_name = "FILE", default_value = "soundpost.ini")]
        config: PathBuf,
        /// Delete nothing: say what would go and why, and how long the disk lasts
        #[arg(long)]
        dry_run: bool,
    },
    /// Copy a piece of a recording into a file of the same format, without decoding it; by the clock over all files of a folder
    Cut {
        #[command(flatten)]
        piece: PieceOptions,
    },
    /// Decode a piece of a recording into a 16-bit WAV
    Clip {
        #[command(flatten)]
        piece: PieceOptions,
        /// "source" keeps a rate above 48 kHz
        #[arg(long, value_name = "RATE", value_parser = ["source"])]
        rate: Option<String>,
    },
    /// Play a recording on the local output
    Play {
        /// Any recording; also one that is being made, which is followed
        file: PathBuf,
        /// Where to begin: seconds, m:ss or h:mm:ss, with fractions [default: the start]
        #[arg(long, value_name = "TIME")]
        from: Option<String>,
        /// Where to end [default: the end]
        #[arg(long, value_name = "TIME")]
        to: Option<String>,
    },
    /// Play what a source of the running recorder hears just now on the local output, until ctrl-c
    Monitor {
        /// A source of the configuration: the name of its section
        source: String,
        /// The recorder's configuration; with a password for its page, the password is read from standard input
        #[arg(short, long, value_name = "FILE", default_value = "soundpost.ini")]
        config: PathBuf,
    },
    /// Check every recording (checksums, lengths) and the continuity between them
    Verify {
        /// A folder of recordings
        folder: PathBuf,
    },
}

#[derive(clap::Args)]
struct DetectionOptions {
    /// How far above the background a part counts as loud [default: 12, by bands 15]
    #[arg(long, value_name = "DB")]
    margin: Option<f64>,
    /// Loud parts nearer to each other than this are one
    #[arg(long, value_name = "SECONDS", default_value_t = 2.0)]
    min_gap: f64,
    /// level: the whole signal; bands: any of 24 bands
    #[arg(long, value_name = "DETECTOR", default_value = "level", value_parser = ["level", "bands"])]
    detector: String,
}

impl From<DetectionOptions> for Detection {
    fn from(DetectionOptions { margin, min_gap, detector }: DetectionOptions) -> Detection {
        let usual = Detection::by(Detector::of_name(&detector).unwrap_or(Detector::Level)); // clap knows the names
        Detection {
            margin: margin.map_or(usual.margin, Centibel::of_db),
            min_gap_ms: (min_gap * 1_000.0).round() as u32, // saturates
            ..usual
        }
    }
}

#[derive(clap::Args)]
struct PieceOptions {
    /// The recording; or a folder, for a range of the clock over all its files
    file: PathBuf,
    /// Where the piece begins: seconds, m:ss or h:mm:ss, with fractions [default: the start]; of a folder 2026-05-22T04:12:31,
    /// local or with Z or an offset
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Where it ends, not included [default: the end]
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
    /// The new file; nothing is overwritten. Where a folder has holes in the range, cut writes the next ones with -2, -3 …
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Of a folder: whose recordings, if several sources recorded then
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// Of a folder: where what is known of the recordings lies [default: analyses, in the folder]
    #[arg(long, value_name = "DIR")]
    analyses_dir: Option<PathBuf>,
}

impl From<PieceOptions> for Piece {
    fn from(PieceOptions { file, from, to, output, source, analyses_dir }: PieceOptions) -> Piece {
        Piece { file, from, to, output, source, analyses_dir }
    }
}

fn main() -> ExitCode {
    let exit = match Cli::try_parse() {
        Ok(cli) => run(cli.command),
        Err(help) => {
            // Clap knows where its text belongs: help on stdout, a complaint on stderr. A closed pipe is no reason to panic.
            let _ = help.print();
            if help.use_stderr() { Exit::Usage } else { Exit::Done }
        }
    };
    ExitCode::from(exit as u8)
}

fn run(command: Command) -> Exit {
    match command {
        Command::Record { config, demo, drill } => {
            command::record::run(&Options { config: (!demo).then_some(config), drills: drill })
        }
        Command::Serve { folder, port, bind, detection, analyses_dir } => {
            command::serve::run(&serve::Options { folder, port, bind, detection: detection.into(), analyses_dir })
        }
        Command::Analyse { paths, json, again, levels, jobs, detection, analyses_dir } => {
            let scope = if levels { Scope::LEVELS } else { Scope::ALL };
            command::analyse::run(&analyse::Options {
                paths,
                json,
                again,
                scope,
                jobs,
                detection: detection.into(),
                analyses_dir,
            })
        }
        Command::Devices => command::devices::run(),
        Command::Check { config } => command::check::run(&config),
        Command::HashPassword => command::hash_password::run(),
        Command::Cut { piece } => command::piece::cut(&piece.into()),
        Command::Clip { piece, rate } => command::piece::clip(&piece.into(), rate.is_some()),
        Command::Play { file, from, to } => command::play::run(&play::Options { file, from, to }),
        Command::Monitor { source, config } => command::monitor::run(&monitor::Options { source, config }),
        Command::Repair { paths } => command::repair::run(&paths),
        Command::Rebuild { folder } => command::rebuild::run(&folder),
        Command::Retention { config, dry_run } => command::retention::run(&config, dry_run),
        Command::Verify { folder } => command::verify::run(&folder),
    }
}
