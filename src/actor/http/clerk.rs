//! The configuration on the page: what is told of it, checked and changed, and who may.
//!
//! Everybody who may see the page sees the configuration without its secrets. Changing it takes a password, even where the page has
//! none: whoever may write it may have programs and folders of the machine.

use super::ask::{Answer, Ask};
use super::respond::{JSON, plain, text, unreadable};
use super::{Office, login};
use crate::message::settings::{Applied, Calendar, Door, Group, Problem, Settings, Unchanged};
use crate::web::answer::{Refusal, Status};
use crate::web::{conditional, settings};

/// Whoever keeps the configuration.
pub trait Clerk: Send + Sync {
    /// As the file is now; an error is one sentence.
    fn look(&self) -> Result<Settings, String>;
    /// What there is to set.
    fn groups(&self) -> Vec<Group>;
    /// What `soundpost check` would say of this text. Nothing is written.
    fn check(&self, text: &str) -> Vec<Problem>;
    /// Writes the text, if it has no error and the file is still of this revision (any, without one), and has it hold.
    fn change(&self, text: &str, revision: Option<&str>) -> Result<Applied, Unchanged>;
    /// As `change`, with what was there before the last change.
    fn undo(&self, revision: Option<&str>) -> Result<Applied, Unchanged>;
    /// Who is let in, if that has changed since this version; never waits.
    fn door(&self, seen: u32) -> Option<Door>;
    /// The next two weeks of each source that has a schedule.
    fn calendar(&self) -> Vec<Calendar>;
}

const NO_PASSWORD: &str = "Settings are changed with a password only: write what `soundpost hash-password` prints as password_hash \
                           into [web] of the configuration file, and start the recorder anew.";

fn clerk(office: &Office) -> Result<&dyn Clerk, Refusal> {
    let none = || Refusal::new(Status::Conflict, "This program has no configuration file: it serves a folder of recordings.");
    office.library.clerk().ok_or_else(none)
}

pub fn look(office: &Office, ask: &Ask) -> Result<Answer, Refusal> {
    let clerk = clerk(office)?;
    let mut told = clerk.look().map_err(|why| Refusal::new(Status::Conflict, why))?;
    if told.locked.is_none() && login::is_open(office) {
        told.locked = Some(NO_PASSWORD.to_owned());
    }
    Ok(text(ask, JSON, settings::settings(&told, &clerk.groups())))
}

pub fn check(office: &Office, ask: &Ask) -> Result<Answer, Refusal> {
    let problems = clerk(office)?.check(&body(ask)?);
    Ok(Answer::bytes(plain(JSON, "no-store"), settings::checked(&problems).into_bytes()))
}

pub fn change(office: &Office, ask: &Ask) -> Result<Answer, Refusal> {
    let revision = permit(office, ask)?;
    answer(clerk(office)?.change(&body(ask)?, revision.as_deref()))
}

pub fn undo(office: &Office, ask: &Ask) -> Result<Answer, Refusal> {
    let revision = permit(office, ask)?;
    answer(clerk(office)?.undo(revision.as_deref()))
}

pub fn calendar(office: &Office, ask: &Ask) -> Answer {
    let calendar = office.library.clerk().map(Clerk::calendar).unwrap_or_default();
    text(ask, JSON, settings::calendar(&calendar))
}

/// The revision that was changed. That the password was given is known by now, if there is one.
fn permit(office: &Office, ask: &Ask) -> Result<Option<String>, Refusal> {
    clerk(office)?;
    if login::is_open(office) {
        return Err(Refusal::new(Status::Forbidden, NO_PASSWORD));
    }
    match ask.line("if-match").map(str::trim) {
        Some("*") => Ok(None),
        Some(tag) => Ok(Some(tag.trim_start_matches("W/").trim_matches('"').to_owned())),
        None => Err(Refusal::new(Status::PreconditionFailed, "If-Match tells which revision was changed; * is any.")),
    }
}

fn body(ask: &Ask) -> Result<String, Refusal> {
    let body: serde_json::Value = serde_json::from_slice(&ask.body).map_err(|_| unreadable())?;
    body.get("text").and_then(|text| text.as_str()).map(str::to_owned).ok_or_else(unreadable)
}

fn answer(outcome: Result<Applied, Unchanged>) -> Result<Answer, Refusal> {
    match outcome {
        Ok(applied) => {
            let head = plain(JSON, "no-store").line("ETag", &conditional::etag(&applied.revision));
            Ok(Answer::bytes(head, settings::applied(&applied).into_bytes()))
        }
        Err(Unchanged::Locked(why)) => Err(Refusal::new(Status::Conflict, why)),
        Err(Unchanged::Stale) => {
            Err(Refusal::new(Status::PreconditionFailed, "The file was changed meanwhile: load it, and change that."))
        }
        Err(Unchanged::Wrong(problems)) => {
            let head = crate::web::answer::Head::new(Status::UnprocessableContent).line("Content-Type", JSON);
            Ok(Answer::bytes(head.line("Cache-Control", "no-store"), settings::refused(&problems).into_bytes()))
        }
        Err(Unchanged::Failed(why)) => Err(Refusal::new(Status::Failed, why)),
    }
}
