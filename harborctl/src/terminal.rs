//! Questions to whoever sits at the terminal.

use std::io::{self, IsTerminal as _, Write as _};

use crate::failure::{Failure, Kind, Outcome};

/// Asks for a secret, and shows nothing of what is typed. A terminal that only the process group has, as a script in a pipeline or in the
/// background, is not asked: nobody would see the question, and the system would stop the group for it.
pub(crate) async fn typed(prompt: &str) -> Outcome<String> {
    let none = |why: &str| {
        Failure::usage(format!("there is no terminal to ask for a password: {why}")).hint("--password-stdin")
    };
    if !io::stdin().is_terminal() {
        return Err(none("the standard input is none"));
    }
    // Ctrl-C leaves this in the middle, and what is typed is to be seen again.
    let _echo = Echo::saved();
    let prompt = prompt.to_owned();
    apart(move || rpassword::prompt_password(prompt)).await?.map_err(|error| none(&error.to_string()))
}

/// Asks for a line.
pub(crate) async fn line(prompt: &str) -> Outcome<String> {
    let _ = write!(io::stderr(), "{prompt}");
    let read = apart(|| {
        let mut answer = String::new();
        io::stdin().read_line(&mut answer).map(|_| answer)
    });
    Ok(read.await??.trim().to_owned())
}

/// Asks whether something shall be done that cannot be undone. Where nobody can be asked, who wants it says so ahead.
pub(crate) async fn confirmed(what: &str, yes: bool) -> Outcome {
    if yes {
        return Ok(());
    }
    if !io::stdin().is_terminal() {
        let why = format!("{what} There is nobody at a terminal to ask, and nothing was done");
        return Err(Failure::usage(why).hint("--yes"));
    }
    match line(&format!("{what} [y/N] ")).await?.to_ascii_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(Failure::new(Kind::Failed, "nothing was done")),
    }
}

/// Waits for somebody in a thread of its own, so that Ctrl-C is heard meanwhile.
async fn apart<T: Send + 'static>(ask: impl FnOnce() -> T + Send + 'static) -> Outcome<T> {
    let asked = tokio::task::spawn_blocking(ask).await;
    asked.map_err(|error| Failure::new(Kind::Failed, format!("nobody could be asked: {error}")))
}

/// How the terminal was, which it is again when this is dropped.
struct Echo(#[cfg(unix)] Option<rustix::termios::Termios>);

impl Echo {
    #[cfg(unix)]
    fn saved() -> Self {
        Self(rustix::termios::tcgetattr(io::stdin()).ok())
    }

    #[cfg(not(unix))]
    fn saved() -> Self {
        Self()
    }
}

#[cfg(unix)]
impl Drop for Echo {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            // Whoever has no terminal any more sees nothing of it.
            let _ = rustix::termios::tcsetattr(io::stdin(), rustix::termios::OptionalActions::Now, before);
        }
    }
}
