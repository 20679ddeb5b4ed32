//! soundpost: a field audio recorder as firmware.
//!
//! Sound comes in on one thread per card or station, is cut on the clock, encoded or kept as it came, and written by one store
//! that can be stopped at any moment without harm. This page is the architecture; the modules below are listed in reading order.
//!
//! ```text
//!            one LANE per source                                          shared by all
//!  device ─► capture ──Tape──► encoder (splitter inside) ──ToStore──► store ─► recordings/
//!  alsa        thread            thread                                 thread
//!  file, tone  reads, stamps,    when a file begins and ends,           where it goes; sync,
//!  demo        never waits       which bytes it has                     rename, sidecar, gaps.csv, repair
//!                                                                         ▲
//!  station ─► stream thread ─────────────────────────────────────ToStore──┘
//!  ICY, HLS   Framer: which bytes are a unit; Cutter: when a file begins and ends; Writer: which bytes it has
//!
//!  beside it, and never waited for:
//!  capture ──Heard──► live ──units──► mounts ─► gate         spectra, columns, sound, while somebody is there
//!                                       └─► monitor          the sound of one source on the local output, if that is wanted
//!  stream ─► on air ─► live                                   a station's own bytes, decoded while somebody looks at it
//!  encoder ──Tapped──► analyser ──Analysed──► store         levels, bands, columns while a file is recorded
//!  store ──path──► herald ──► librarian ◄──Ask── http       catalogue, marks, clips, deletion; backlog: files that were never analysed
//!  librarian ◄──Ask── uploader (one a target) ─► S3, WebDAV, PUT, a stick     finished files, one after the other
//!  librarian ◄──Ask── reducer      old recordings to their sections and an Opus, one after the other
//!  browser ─► gate ─► http (workers) ─► Library             who asks what; the files answer
//!
//!  supervisor (main thread): starts them, hears their ends and their notices, starts them anew, ends the program, and tells the
//!  service manager that it goes on
//! ```
//!
//! # Words
//! *source*: a section of the configuration. *lane*: the chain of actors of one source. *run*: capture from open to failure;
//! frames are counted from its start, lost ones too; for a station a connection. *unit*: the least of a stream that stays whole
//! (frame, page). *segment*: what becomes one file. *recording*: a file. *block*: a fixed
//! buffer. *gap*: samples known to be missing, with a reason. *sidecar*: the JSON beside a recording.
//!
//! # Layers
//! | layer | modules | never |
//! |---|---|---|
//! | 0 | [`time`] [`message`] [`edge`] [`pool`] [`status`] | import another layer |
//! | 1 pure | [`mod@format`] [`signal`] [`policy`] | channels, threads, files, sockets, logs, clocks, each other |
//! | 1 pure, above those | [`web`] | channels, threads, files, sockets, logs, clocks, [`signal`] |
//! | 2 | [`device`] | import actors or the configuration |
//! | 3 | [`actor`] | another actor, the configuration |
//! | 4 | [`config`] [`wiring`] [`supervisor`] [`logging`] [`command`] | be imported by the layers below |
//!
//! `tests/layers.rs` checks this.
//!
//! # What must always hold
//! 1. Capture waits for its device and for nothing else. Behind it stands a pool that holds at least twelve seconds, because
//!    SD cards stall for seconds. When it is empty, capture reads on, counts, and one gap is entered with the exact number.
//! 2. Frames in files + frames in gaps = frames of the run. Files of a run abut.
//! 3. The store alone writes; a file has its final name only after its bytes are on the disk. What a kill or a power cut leaves
//!    ends in `.part` and is made playable at the next start without touching a good byte.
//! 4. After start nothing is allocated from capture to disk, except when a file is opened or closed, and for headers and titles.
//! 5. Bytes of a stream are never decoded and never dropped: what waits for the disk waits at the server. A file holds units of
//!    one connection and one format.
//!
//! # Why it is so
//! * **The splitter is no thread and no task.** It is a pure machine ([`actor::splitter`]) that the encoder's thread drives: it
//!   decides in nanoseconds, restarts with its lane anyway, and a queue of its own would double the lane's wake-ups.
//! * **Queues are [`edge`]s**, not plain async channels: those box a listener for every wait.
//! * **The encoder restarts without its capture**, since closing a healthy device costs samples ([`supervisor`]).
//! * **A station's lane is one thread ([`actor::stream`]).** It has nothing to encode, and may wait: the network's buffers and the
//!   server hold the sound meanwhile. Its blocks are small, so that a hundred stations fit.
//! * **Frames are framed in pure code ([`mod@format::stream`])**, fed in pieces of any size, so that every rule is tested without a
//!   network; `tests/rules` says what must hold for any bytes, for the mutation tests and for the fuzz targets.
//! * **An analysis is a hint.** What the analyser heard of a file without a hole goes to the store with its end; everything else is
//!   read from the disk once, later. So the recording path knows nothing of analysis but one copy of each block.
//! * **The librarian writes beside finished files, the store beside its own.** Both replace a sidecar whole, each when it is its
//!   turn ([`device::turns`]); the store never waits for its turn. A catalogue is a cache.
//! * **Room is made by the librarian ([`actor::librarian::retention`]).** The store says that its disk is full, and tries again; what goes
//!   is decided by [`policy::retention`] over an index of the catalogue, and goes as if a person had deleted it.
//! * **What is kept in less is made by one who has time** ([`actor::reducer`]): drafts beside the recordings, which the librarian gives
//!   their names a few at a time, the recording's own going last. A section is a recording, so everything works with it.
//! * **The last seconds of a source are kept out of the files**, not out of rings ([`wiring::library::keep`]): they are there for as
//!   long back as one likes, in their own format, and the recording is asked for nothing. A worker cuts them out into a draft, the
//!   librarian gives it sidecar and name. Marks in a file that is not finished wait in a list that whoever writes its sidecar reads.
//! * **Live is fed by captures, not encoders**, as they read and only while [`status::LaneStatus::wanted`] is set: 20 ms behind the
//!   microphone, and nothing at all for nobody. What it makes lies in rings ([`message::mount`]) with a cursor for each listener.
//! * **An alarm lies where its cause is known** ([`status::Alarm`]): its owner raises and clears it, and readers have a list of all.
//! * **A changed configuration is compared key by key** ([`config::difference`]); the supervisor ends and begins only the lanes that it
//!   concerns ([`wiring::change`]). What else was decided at the start stays decided, and is named.
//! * **A thread is for what may have to wait for itself alone.** What decides in moments shares one with a neighbour: the splitter with
//!   its encoder, stations that are looked at with live, health with the herald, the watch over the server with its first worker. What
//!   is seldom wanted is on call ([`supervisor::Call`]). So the usual machine, with its page, is 24 threads.
//! * **Workers decide, the gate carries**: however slow a browser is, no thread waits for it ([`message::handover`]).
//! * **Who hears a mount has no task.** One task serves all of a mount ([`actor::gate`]), since a thousand that wake for a page cost
//!   six times as much as the writes themselves; a source's small pieces are gathered for a quarter of a second.
//! * **One thread polls sockets and timers for all.** Who waits does so by `smol::future::block_on`: beside `smol::block_on`, which
//!   polls as well, that thread wakes up to ten times for an event, and an idle recorder needs half as much again.
//! * **What is uploaded is told by the catalogue, what is there by the sidecar.** The uploader keeps no list and no state of its own; a
//!   recording that was sent and could not be entered is offered again, and found to be there.
//! * **A WAV header vouches only for what was synced**, so repair knows which part of the tail is sure.
#![deny(unsafe_code, clippy::print_stdout, clippy::print_stderr)]

pub mod time;

pub mod message;

pub mod edge;

pub mod pool;

pub mod status;

pub mod format;

pub mod signal;

pub mod policy;

pub mod web;

pub mod device;

pub mod actor;

pub mod config;

pub mod wiring;

pub mod supervisor;

pub mod logging;

pub mod command;
