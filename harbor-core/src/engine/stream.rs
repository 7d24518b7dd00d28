//! The stream of events, as somebody may see them.
//!
//! One worker of each node reads what was written, while somebody listens, and hands it to all who do; who was away, or does not
//! keep up, reads what it missed by itself.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::broadcast::error::RecvError;
use tokio::sync::broadcast::{self, Receiver, Sender};
use tokio_util::sync::CancellationToken;

use super::Harbor;
use super::outbox::{Delivered, forgotten};
use crate::access::permission::{AuditLogList, LogList};
use crate::access::{Action as _, Actor, Target};
use crate::event::{Event, EventKind};
use crate::meta::{EventRow, ProjectId};
use crate::oci::RepositoryName;
use crate::{Error, Result};

/// How many events are read at a time.
const BATCH: u32 = 100;

/// How many events a listener may be behind before it has to read by itself.
const BEHIND: usize = 1024;

/// How many listen to a node at most: each keeps a connection.
const LISTENERS: usize = 1000;

/// As how many somebody may listen to a node: nobody takes the places of all others.
const OF_ONE: usize = 32;

/// After how long it may be tried again when so many listen already.
const FULL: Duration = Duration::from_secs(30);

/// How long a listener waits that found events which may still be preceded by others.
const UNSETTLED: Duration = Duration::from_millis(500);

/// Reads what was written, for all who listen.
#[derive(Debug)]
pub(super) struct Tail {
    live: Sender<Arc<Event>>,
    /// The number of the last event that was handed on; none while nobody listens.
    position: Mutex<Option<i64>>,
    /// Who listens, and as how many.
    seats: Mutex<BTreeMap<String, usize>>,
}

impl Default for Tail {
    fn default() -> Self {
        Self { live: broadcast::channel(BEHIND).0, position: Mutex::default(), seats: Mutex::default() }
    }
}

impl Tail {
    /// Listens to what comes after `last`, or after what the others were told.
    fn listen(&self, last: i64) -> Result<Receiver<Arc<Event>>> {
        let mut position = self.position.lock().unwrap_or_else(PoisonError::into_inner);
        if self.live.receiver_count() >= LISTENERS {
            return Err(Error::TooManyRequests { retry_after: FULL });
        }
        position.get_or_insert(last);
        Ok(self.live.subscribe())
    }

    /// Counts somebody who listens.
    fn sit(&self, principal: &str) -> Result<()> {
        let mut seats = self.seats.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = seats.get(principal).copied().unwrap_or_default();
        if taken >= OF_ONE {
            return Err(Error::TooManyRequests { retry_after: FULL });
        }
        seats.insert(principal.to_owned(), taken + 1);
        Ok(())
    }

    fn rise(&self, principal: &str) {
        let mut seats = self.seats.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(taken) = seats.get_mut(principal) {
            *taken -= 1;
            if *taken == 0 {
                seats.remove(principal);
            }
        }
    }

    /// Where it is; nowhere when nobody listens.
    fn position(&self) -> Option<i64> {
        let mut position = self.position.lock().unwrap_or_else(PoisonError::into_inner);
        if self.live.receiver_count() == 0 {
            *position = None;
        }
        *position
    }

    /// Hands an event on.
    fn hand_on(&self, id: i64, event: Option<Event>) {
        let mut position = self.position.lock().unwrap_or_else(PoisonError::into_inner);
        *position = Some(id);
        // Nobody may be left who listens.
        event.map(|event| self.live.send(Arc::new(event)));
    }
}

impl Harbor {
    /// Hands what was written since on to those who listen.
    pub(super) async fn tail_events(&self) -> Result<Delivered> {
        let tail = &self.inner.tail;
        let Some(position) = tail.position() else { return Ok(Delivered::All) };
        let batch = self.read().await?.events(position, BATCH).await?;
        let full = batch.len() == BATCH as usize;
        let mut moved = false;
        for row in self.settled(position, batch) {
            tail.hand_on(row.id, read(&row));
            moved = true;
        }
        Ok(if full && moved { Delivered::More } else { Delivered::All })
    }

    /// The use cases of events.
    #[must_use]
    pub const fn events(&self) -> Events<'_> {
        Events { harbor: self }
    }
}

/// That somebody listens, for as long as this lives.
struct Seat {
    harbor: Harbor,
    principal: String,
}

impl Seat {
    fn take(harbor: &Harbor, actor: &Actor) -> Result<Self> {
        let principal = actor.principal();
        harbor.inner.tail.sit(&principal)?;
        Ok(Self { harbor: harbor.clone(), principal })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.harbor.inner.tail.rise(&self.principal);
    }
}

fn read(row: &EventRow) -> Option<Event> {
    let event = serde_json::from_str::<Event>(&row.body);
    let event = event.inspect_err(|error| tracing::error!(event = row.id, %error, "an event does not read"));
    event.ok().map(|event| Event { id: row.id, ..event })
}

/// Use cases of events: a cheap borrow.
#[derive(Clone, Copy, Debug)]
pub struct Events<'a> {
    harbor: &'a Harbor,
}

/// What somebody wants to hear of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// Only events of these kinds, as [`EventKind::name`] has them; of all without any.
    pub kinds: Vec<String>,
    /// Only those of this project.
    pub project: Option<ProjectId>,
}

impl EventFilter {
    fn has(&self, event: &Event) -> bool {
        let named = self.kinds.is_empty() || self.kinds.iter().any(|kind| kind == event.kind.name());
        named && self.project.is_none_or(|project| event.project_id == Some(project.get()))
    }
}

impl Events<'_> {
    /// Events as they happen, of those that `actor` may know of and that `filter` has; with `after`, from those on that came after
    /// the event of that number and are still there: they are kept for ten minutes at least.
    ///
    /// Each comes once and in the order of numbers. For each event is asked anew whether `actor` still is who it was, and what it may do.
    /// That the credentials hold was asked by whoever calls this, so streams should not be let go on for ever.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] for nobody in particular; [`Error::BadRequest`] for a kind that there is not; [`Error::TooManyRequests`] when a
    /// thousand listen already, or `actor` does 32 times; as the metadata store fails.
    pub async fn stream(
        &self,
        actor: &Actor,
        filter: EventFilter,
        after: Option<i64>,
    ) -> Result<EventStream> {
        if actor.is_anonymous() {
            return Err(Error::Unauthenticated);
        }
        if let Some(kind) = filter.kinds.iter().find(|kind| !EventKind::NAMES.contains(&kind.as_str())) {
            let known = EventKind::NAMES.join(", ");
            return Err(Error::BadRequest(format!(
                "there are no events of the kind {kind:?}; there are {known}"
            )));
        }
        let seat = Seat::take(self.harbor, actor)?;
        let mut rows = self.harbor.read().await?;
        let forgotten = forgotten(&mut *rows).await?;
        let last = rows.event_last().await?.unwrap_or_default().max(forgotten);
        drop(rows);
        // A number from the future is of another registry, or of this one before it was restored.
        let from = after.filter(|after| *after <= last);
        Ok(EventStream {
            live: self.harbor.inner.tail.listen(last)?,
            seat,
            actor: actor.clone(),
            filter,
            last: from.unwrap_or(last),
            missed: after.is_some_and(|after| after < forgotten || after > last),
            behind: true,
            read: VecDeque::new(),
            stop: self.harbor.inner.workers.stopping(),
        })
    }
}

/// What comes out of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Streamed {
    /// An event.
    Event(Arc<Event>),
    /// Some of what was asked for is not kept any more: who has to know everything has to look by itself now.
    Missed,
}

/// Events as they happen: [`Events::stream`].
pub struct EventStream {
    seat: Seat,
    actor: Actor,
    filter: EventFilter,
    live: Receiver<Arc<Event>>,
    /// The number of the last event that was looked at.
    last: i64,
    missed: bool,
    /// Whether there may be events that are not among those to come.
    behind: bool,
    read: VecDeque<Arc<Event>>,
    stop: CancellationToken,
}

impl EventStream {
    /// The next event, as soon as there is one; none when the registry stops, or the actor is not who it was any more. Dropping the future loses nothing.
    ///
    /// # Errors
    /// As the stores fail; the next call tries again.
    pub async fn next(&mut self) -> Result<Option<Streamed>> {
        if std::mem::take(&mut self.missed) {
            return Ok(Some(Streamed::Missed));
        }
        let stop = self.stop.clone();
        tokio::select! {
            () = stop.cancelled() => Ok(None),
            next = self.find() => Ok(next?.map(Streamed::Event)),
        }
    }

    async fn find(&mut self) -> Result<Option<Arc<Event>>> {
        loop {
            let Some(event) = self.read.front() else {
                self.fill().await?;
                continue;
            };
            let event = Arc::clone(event);
            let shown = match event.id > self.last && self.filter.has(&event) {
                true => self.shown(event).await?,
                false => None,
            };
            if shown.is_some() && !self.seat.harbor.is_still(&self.actor).await? {
                return Ok(None);
            }
            let Some(looked_at) = self.read.pop_front() else { continue };
            self.last = self.last.max(looked_at.id);
            if shown.is_some() {
                return Ok(shown);
            }
        }
    }

    /// Gets more events, or finds that there are none so far.
    async fn fill(&mut self) -> Result<()> {
        if !self.behind {
            match self.live.recv().await {
                Ok(event) => self.read.push_back(event),
                Err(RecvError::Lagged(_) | RecvError::Closed) => self.behind = true,
            }
            return Ok(());
        }
        let batch = self.seat.harbor.read().await?.events(self.last, BATCH).await?;
        self.behind = !batch.is_empty();
        let settled: Vec<EventRow> = self.seat.harbor.settled(self.last, batch).collect();
        if self.behind && settled.is_empty() {
            tokio::time::sleep(UNSETTLED).await;
        }
        for row in settled {
            match read(&row) {
                Some(event) => self.read.push_back(Arc::new(event)),
                None => self.last = self.last.max(row.id),
            }
        }
        Ok(())
    }

    /// The event as the actor may know of it, if at all. Who may read the log of the registry may know of all.
    async fn shown(&self, event: Arc<Event>) -> Result<Option<Arc<Event>>> {
        if self.seat.harbor.may(&self.actor, AuditLogList::PERMISSION, Target::System).await? {
            return Ok(Some(event));
        }
        let Some(id) = event.project_id else { return Ok(None) };
        let Some(project) = self.seat.harbor.project_of(ProjectId::new(id)).await? else { return Ok(None) };
        let permission = event.kind.permission();
        let repository = event.kind.repository().map(str::parse::<RepositoryName>).transpose()?;
        let target = match &repository {
            Some(repository) => Target::Repository(&project, repository),
            None => Target::Project(&project),
        };
        if !self.seat.harbor.may(&self.actor, permission, target).await? {
            return Ok(None);
        }
        // Everybody may see what a public project has; who did it is in its log.
        let knows_who = event.actor == self.actor.principal()
            || self.seat.harbor.may(&self.actor, LogList::PERMISSION, Target::Project(&project)).await?;
        Ok(Some(if knows_who { event } else { Arc::new(Event { actor: String::new(), ..(*event).clone() }) }))
    }
}

impl fmt::Debug for EventStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventStream")
            .field("actor", &self.actor)
            .field("last", &self.last)
            .finish_non_exhaustive()
    }
}
