//! What is dropped once this thread holds no lock any more: text that a user has handed over may be of an owner whose `Drop` is
//! the user's code ([`Bytes::from_owner`]), and that may call the host.

use std::cell::{Cell, RefCell};
use std::marker::PhantomData;
use std::mem;

use bytes::Bytes;

thread_local! {
    /// How many [`Busy`] of this thread there are.
    static BUSY: Cell<usize> = const { Cell::new(0) };
    /// This thread is letting go of texts: what an owner's `Drop` does must not begin to, or it would go on within that, text by text.
    static LETTING_GO: Cell<bool> = const { Cell::new(false) };
    static LATER: RefCell<Vec<Bytes>> = const { RefCell::new(Vec::new()) };
}

/// While it lives, what this thread lets go of is kept: it is at work on a shard.
#[derive(Debug)]
pub(super) struct Busy(PhantomData<*const ()>);

impl Busy {
    pub(super) fn new() -> Self {
        BUSY.set(BUSY.get() + 1);
        Self(PhantomData)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        BUSY.set(BUSY.get() - 1);
    }
}

/// A user's text, which is let go of when nobody is [`Busy`].
struct Lent(Bytes);

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if BUSY.get() > 0 {
            // If the thread is ending, it is dropped here and now.
            let _ = LATER.try_with(|later| later.borrow_mut().push(mem::take(&mut self.0)));
        }
    }
}

/// The same text, whose owner's code runs under no lock, whoever lets go of it last.
pub(crate) fn lend(text: &Bytes) -> Bytes {
    Bytes::from_owner(Lent(text.clone()))
}

/// True if [`let_go`] has something to do.
pub(super) fn is_due() -> bool {
    !LETTING_GO.get() && LATER.try_with(|later| !later.borrow().is_empty()).unwrap_or(false)
}

/// Lets go of what was kept: users' code runs. Called by that, it leaves what comes to who has called it.
pub(super) fn let_go() {
    if LETTING_GO.replace(true) {
        return;
    }
    let _ends = Ends;
    while let Ok(Some(text)) = LATER.try_with(|later| later.borrow_mut().pop()) {
        drop(text);
    }
}

/// Ends letting go, also if an owner panics.
struct Ends;

impl Drop for Ends {
    fn drop(&mut self) {
        LETTING_GO.set(false);
    }
}
