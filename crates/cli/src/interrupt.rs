//! Ctrl-C, and the requests to end that other processes send.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::{process, thread};

use crossbeam_channel::{Receiver, bounded};

use crate::failure::{Failure, OrFail, Status};

/// Whether the user has asked for the end.
#[derive(Clone, Debug)]
pub struct Interrupt {
    happened: Arc<AtomicBool>,
    bell: Receiver<Infallible>,
}

impl Interrupt {
    /// From now on Ctrl-C runs `close`, once, on a thread of its own, and the rest of the program learns of it here. A
    /// second Ctrl-C ends the process where it stands.
    ///
    /// # Errors
    /// When the signal handlers can't be set.
    pub fn install(close: impl FnOnce() + Send + 'static) -> Result<Self, Failure> {
        let (ring, bell) = bounded(0);
        let happened = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&happened);
        let mut first = Some((close, ring));
        let handler = move || {
            let Some((close, ring)) = first.take() else {
                process::exit(Status::Interrupted as i32);
            };
            flag.store(true, Ordering::SeqCst);
            drop(ring);
            thread::spawn(close);
        };
        ctrlc::set_handler(handler).or_fail("catching Ctrl-C")?;
        Ok(Self { happened, bell })
    }

    /// True once it has happened.
    pub fn happened(&self) -> bool {
        self.happened.load(Ordering::SeqCst)
    }

    /// A channel that is disconnected once it has happened, to be waited on among others.
    pub const fn bell(&self) -> &Receiver<Infallible> {
        &self.bell
    }

    /// What a command ends with: its own outcome, unless the user ended it.
    ///
    /// # Errors
    /// The outcome's; that of an interrupted command.
    pub fn unless<T>(&self, outcome: Result<T, Failure>) -> Result<T, Failure> {
        if self.happened() { Err(Failure::interrupted()) } else { outcome }
    }
}
