//! What needs no server (feature `local`): it opens the stores itself.

mod run;

pub(crate) use run::Run;
