//! The files of one commit, step by step, with as few syncs as they need.

use std::collections::VecDeque;
use std::io;
use std::path::Path;

use super::{Closing, Cue, Draft, Event, SYNC_ALL_FROM, Step, TOGETHER, cue_of, draft_of, not_synced, others};
use crate::actor::store::begun;
use crate::actor::store::lane::OpenFile;
use crate::actor::store::naming::Places;
use crate::actor::store::root::Files;
use crate::device::disk::{Disk, DiskFile};
use crate::time::Mono;

/// Takes the first files of the queue as far as the disk lets them come, and those that are done out of it.
pub fn commit<D: Disk>(
    disk: &D,
    files: &mut Files,
    software: &str,
    queue: &mut VecDeque<Closing<D::File>>,
    now: Mono,
    event: &mut dyn FnMut(usize, Event),
) {
    sync_data(disk, files, software, queue, now, event);
    for closing in due(queue, now).filter(|c| c.step == Step::Header) {
        match closing.describe(disk, files, software, now) {
            Ok(()) => closing.step = Step::Surely,
            Err(e) => trouble(closing, now, "cannot be described", &e, event),
        }
    }
    sync_description(disk, files, queue, now, event);
    for closing in due(queue, now).filter(|c| c.step == Step::Name) {
        match give_name(disk, &files.places, closing) {
            Ok(()) => {}
            Err(e) if e.kind() == io::ErrorKind::NotFound && vanished(disk, &files.places, closing) => {
                let part = closing.open.part.display();
                let text =
                    format!("{part}: it is not there any more: somebody removed it, or its disk is gone; it cannot be finished");
                event(closing.lane, Event::Trouble(text));
                closing.step = Step::Vanished;
            }
            Err(e) => trouble(closing, now, "cannot get its name", &e, event),
        }
    }
    sync_names(disk, files, queue, now, event);
    for closing in queue.iter().take(TOGETHER).filter(|c| c.step == Step::Done) {
        let identity = closing.open.new.identity.clone();
        event(closing.lane, Event::Finished { name: closing.open.name.clone(), identity });
    }
    queue.retain(|closing| closing.step < Step::Done);
}

fn due<F>(queue: &mut VecDeque<Closing<F>>, now: Mono) -> impl Iterator<Item = &mut Closing<F>> {
    queue.iter_mut().take(TOGETHER).filter(move |c| c.retry_at <= now)
}

fn count<F>(queue: &mut VecDeque<Closing<F>>, now: Mono, step: Step) -> usize {
    due(queue, now).filter(|c| c.step == step).count()
}

fn trouble<F>(closing: &mut Closing<F>, now: Mono, what: &str, e: &io::Error, event: &mut dyn FnMut(usize, Event))
where
    F: DiskFile,
{
    closing.later(now);
    if !std::mem::replace(&mut closing.told, true) {
        event(
            closing.lane,
            Event::Trouble(format!(
                "{} {what}: {e}; it is tried again: make room or check the disk",
                closing.open.part.display()
            )),
        );
    }
}

/// A file that the disk failed to sync is finished all the same, and says so. What failed is not synced again: the kernel has
/// already forgotten what it could not write.
fn sync_data<D: Disk>(
    disk: &D,
    files: &mut Files,
    software: &str,
    queue: &mut VecDeque<Closing<D::File>>,
    now: Mono,
    event: &mut dyn FnMut(usize, Event),
) {
    for closing in due(queue, now).filter(|c| c.step == Step::Data && c.is_begun()) {
        if let Err(e) = closing.write_draft(disk, files, software) {
            log::debug!(target: "store", "{}: {e}", closing.open.name.display()); // tried again, and said, with the next step
        }
    }
    let together = count(queue, now, Step::Data) >= SYNC_ALL_FROM && files.sync_all(disk, true).is_ok();
    for closing in due(queue, now).filter(|c| c.step == Step::Data) {
        let synced = if together { Ok(()) } else { sync_file(disk, files, software, &mut closing.open) };
        closing.step = Step::Header;
        match synced {
            Ok(()) => (closing.open.synced, closing.open.synced_frames) = (closing.open.at, closing.open.frames),
            Err(e) => {
                closing.doubt();
                event(closing.lane, Event::Trouble(not_synced(&closing.open.part, &e)));
            }
        }
        if together && closing.draft == Draft::Written {
            (closing.sidecar, closing.draft) = (None, Draft::Synced);
        }
    }
}

/// The name too if the file ended before its first sync, or a sidecar could be left without its file; and whose file it is.
fn sync_file<D: Disk>(disk: &D, files: &mut Files, software: &str, open: &mut OpenFile<D::File>) -> io::Result<()> {
    begun::sync(disk, &files.places, &mut files.fresh, open, software);
    open.file.sync()?;
    if open.named { Ok(()) } else { files.fresh.sync_name(disk, &open.part) }
}

fn sync_description<D: Disk>(
    disk: &D,
    files: &mut Files,
    queue: &mut VecDeque<Closing<D::File>>,
    now: Mono,
    event: &mut dyn FnMut(usize, Event),
) {
    let together = count(queue, now, Step::Surely) >= SYNC_ALL_FROM && files.sync_all(disk, true).is_ok();
    for closing in due(queue, now).filter(|c| c.step == Step::Surely) {
        let synced = if together { Ok(()) } else { sync_each(disk, files, closing) };
        closing.sidecar = None;
        match synced {
            Err(e) if !closing.open.suspect => {
                // The sidecar is to say so, so it is written once more; what fails then is only noted.
                closing.doubt();
                closing.step = Step::Header;
                closing.later(now);
                event(closing.lane, Event::Trouble(not_synced(&closing.open.part, &e)));
            }
            _ => closing.step = Step::Name,
        }
    }
}

fn sync_each<D: Disk>(disk: &D, files: &mut Files, closing: &Closing<D::File>) -> io::Result<()> {
    if !closing.open.patches.is_empty() {
        closing.open.file.sync()?;
    }
    if let Cue::Written(file) = &closing.cue {
        file.sync()?;
    }
    if let Some(sidecar) = &closing.sidecar {
        sidecar.sync()?;
    }
    if closing.sidecar.is_some() || closing.draft == Draft::Placed {
        files.fresh.sync_name(disk, &files.places.sidecar(&closing.open.name))?;
    }
    Ok(())
}

/// Whether the file is gone; then its sidecar goes too.
fn vanished<D: Disk>(disk: &D, places: &Places, closing: &Closing<D::File>) -> bool {
    if !matches!(disk.kind(&closing.open.part), Ok(None)) {
        return false;
    }
    let sidecar = places.sidecar(&closing.open.name);
    if matches!(disk.kind(&sidecar), Ok(Some(_))) && matches!(others(disk, &sidecar, &closing.open.new.identity), Ok(None)) {
        let _ = disk.remove(&sidecar); // an orphan is harmless
    }
    if matches!(closing.draft, Draft::Written | Draft::Synced) {
        let _ = disk.remove(&draft_of(&sidecar));
    }
    true
}

/// Should a stranger have taken the name meanwhile, the file gets the next free one, described anew.
fn give_name<D: Disk>(disk: &D, places: &Places, closing: &mut Closing<D::File>) -> io::Result<()> {
    let target = places.root.join(&closing.open.name);
    match disk.rename(&closing.open.part, &target) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
            let stem = closing.open.name.with_extension("");
            let free = places.free_name(disk, &stem, closing.open.new.container.extension())?;
            match closing.is_begun() {
                // Until the file has its name, this says whose it is.
                true => _ = closing.stale.get_or_insert_with(|| closing.open.name.clone()),
                false => forget(disk, places, closing, &closing.open.name)?,
            }
            if matches!(closing.cue, Cue::Written(_)) {
                disk.remove(&cue_of(places, &closing.open.name))?;
                closing.cue = Cue::Wanted;
            }
            closing.open.name = free;
            closing.draft = Draft::Missing;
            closing.step = Step::Header;
        }
        other => {
            other?;
            closing.step = Step::Named;
        }
    }
    Ok(())
}

/// The sidecar under a name that the file did not get.
fn forget<D: Disk>(disk: &D, places: &Places, closing: &Closing<D::File>, name: &Path) -> io::Result<()> {
    let sidecar = places.sidecar(name);
    if disk.kind(&sidecar)?.is_some() && others(disk, &sidecar, &closing.open.new.identity)?.is_none() {
        disk.remove(&sidecar)?;
    }
    Ok(())
}

fn sync_names<D: Disk>(
    disk: &D,
    files: &mut Files,
    queue: &mut VecDeque<Closing<D::File>>,
    now: Mono,
    event: &mut dyn FnMut(usize, Event),
) {
    let together = count(queue, now, Step::Named) >= SYNC_ALL_FROM && files.sync_all(disk, false).is_ok();
    for closing in due(queue, now).filter(|c| c.step == Step::Named) {
        let target = files.places.root.join(&closing.open.name);
        if let Err(e) = if together { Ok(()) } else { files.fresh.sync_name(disk, &target) } {
            // Not tried again; after a power cut the old name may be back, and repair gives the new one again.
            event(closing.lane, Event::Trouble(not_synced(&target, &e)));
        }
        if let Some(name) = closing.stale.take() {
            let _ = forget(disk, &files.places, closing, &name); // an orphan is harmless
        }
        closing.step = Step::Done;
    }
}
