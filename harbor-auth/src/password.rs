//! Passwords: made, hashed with argon2id (RFC 9106), verified.

use std::alloc::System;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use allocator_api2::vec::Vec as VecIn;
use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use harbor_core::access::Secret;
use harbor_core::{StoreError, StoreErrorKind};
use subtle::ConstantTimeEq;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::crowd::{Crowd, Guest};

/// The cost of a hash: 7 MiB of memory and 5 passes, the least memory that OWASP's "Password Storage Cheat Sheet" calls equal
/// to the others. A small registry shall stay small while somebody logs in.
const COST: Cost = Cost { memory: 7 * 1024, passes: 5 };

/// The cost of the hash of a password that is random, with at least 128 bits: the least that argon2 takes. Nobody guesses it, however
/// fast they are.
const COST_OF_RANDOM: Cost = Cost { memory: 8, passes: 1 };

/// How many hashes are computed at once: each takes memory, and somebody who guesses passwords must not take the machine.
const AT_ONCE: usize = 2;

/// How many may wait for their turn, for a second or two at most: whoever guesses passwords must not fill the memory with
/// requests that wait either.
const WAITING: usize = 64;

/// How many of those may be from one address, so that others still log in while somebody there guesses.
const OF_ONE: usize = 16;

/// The longest password taken, in bytes: hashing time must not be a client's choice.
const LONGEST: usize = 1024;

/// What a hash is computed in. It is the system's, which gives so much at once back at once: the allocator of the program may keep it for
/// as long as nobody needs as much again, and a server that nobody logs in to would be twice as large.
type Memory = VecIn<Block, System>;

/// What a hash costs.
#[derive(Clone, Copy, Debug)]
struct Cost {
    /// In KiB.
    memory: u32,
    passes: u32,
}

/// Hashes and verifies, a few at a time.
#[derive(Clone, Debug)]
pub(crate) struct Passwords {
    /// Those who wait and those who compute.
    places: Arc<Semaphore>,
    crowd: Arc<Crowd>,
    turns: Arc<Semaphore>,
    /// Used again: what one thread of many gives back, an allocator keeps for that thread.
    memories: Arc<Mutex<Vec<Memory>>>,
    /// Of the hashes that are made; those that are verified have their own.
    cost: Cost,
    /// How many turns there were.
    #[cfg(test)]
    pub(crate) taken: Arc<std::sync::atomic::AtomicUsize>,
}

impl Default for Passwords {
    fn default() -> Self {
        let semaphore = |permits| Arc::new(Semaphore::new(permits));
        Self {
            places: semaphore(AT_ONCE + WAITING),
            crowd: Arc::new(Crowd::new(OF_ONE)),
            turns: semaphore(AT_ONCE),
            memories: Arc::default(),
            cost: COST,
            #[cfg(test)]
            taken: Arc::default(),
        }
    }
}

impl Passwords {
    /// For a password that is random, with at least 128 bits.
    pub(crate) fn of_random() -> Self {
        Self { cost: COST_OF_RANDOM, ..Self::default() }
    }

    /// The hash of a password, in PHC string format.
    ///
    /// # Errors
    /// `Busy` when too many wait already.
    pub(crate) async fn hash(&self, password: &Secret) -> Result<String, StoreError> {
        self.turn(None).await?.hash(password).await
    }

    /// Waits until it may compute a hash, for somebody at that address.
    ///
    /// # Errors
    /// `Busy` when too many wait already, there or altogether.
    pub(crate) async fn turn(&self, from: Option<IpAddr>) -> Result<Turn, StoreError> {
        let busy =
            || StoreError::new(StoreErrorKind::Busy, "hashing a password: too many wait for their turn");
        let guest = self.crowd.enter(from).ok_or_else(busy)?;
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| busy())?;
        let permit = Arc::clone(&self.turns).acquire_owned().await;
        let permit = permit.map_err(|error| failed(error.to_string()))?;
        #[cfg(test)]
        self.taken.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let memories = Arc::clone(&self.memories);
        Ok(Turn { memories, permits: [place, permit], guest, cost: self.cost })
    }
}

/// The right to compute one hash.
#[derive(Debug)]
pub(crate) struct Turn {
    memories: Arc<Mutex<Vec<Memory>>>,
    permits: [OwnedSemaphorePermit; 2],
    guest: Guest,
    cost: Cost,
}

impl Turn {
    /// The hash of a password, in PHC string format.
    pub(crate) async fn hash(self, password: &Secret) -> Result<String, StoreError> {
        self.hash_beside(password, None).await
    }

    /// The same, of a password that is good beside another one, for a while: with the salt of that one's hash, so that what somebody
    /// shows is hashed once to compare it with both.
    pub(crate) async fn hash_beside(
        self,
        password: &Secret,
        other: Option<&str>,
    ) -> Result<String, StoreError> {
        let password = password.clone();
        if password.expose().len() > LONGEST {
            return Err(failed(format!("a password has at most {LONGEST} bytes")));
        }
        let (fresh, cost) = (random::<{ Salt::RECOMMENDED_LENGTH }>()?, self.cost);
        let other = other.and_then(|other| PasswordHash::new(other).ok()).and_then(|other| other.salt);
        self.compute(move |memory| {
            let salt = other.map_or_else(|| Salt::new(&fresh), Ok).map_err(|error| error.to_string())?;
            let parameters =
                Params::new(cost.memory, cost.passes, 1, None).map_err(|error| error.to_string())?;
            let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, parameters);
            let hash = output(&argon2, &password, &salt, Params::DEFAULT_OUTPUT_LEN, memory)?;
            let hash = PasswordHash {
                algorithm: Algorithm::Argon2id.ident(),
                version: Some(Version::V0x13.into()),
                params: ParamsString::try_from(argon2.params()).map_err(|error| error.to_string())?,
                salt: Some(salt),
                hash: Some(hash),
            };
            Ok(hash.to_string())
        })
        .await
    }

    /// Whether a password has that hash, and whether it has the `beside` one, which is [alike](are_alike).
    pub(crate) async fn verify(
        self,
        password: &Secret,
        hash: &str,
        beside: Option<&str>,
    ) -> Result<[bool; 2], StoreError> {
        if password.expose().len() > LONGEST {
            return Ok([false; 2]);
        }
        let (password, hash, beside) = (password.clone(), hash.to_owned(), beside.map(str::to_owned));
        self.compute(move |memory| {
            let read = |hash| PasswordHash::new(hash).map_err(|error| error.to_string());
            let (hash, beside) = (read(&hash)?, beside.as_deref().map(read).transpose()?);
            let (Some(salt), Some(expected)) = (&hash.salt, &hash.hash) else {
                return Err("the stored hash is not complete".to_owned());
            };
            let argon2 = as_stored(&hash).map_err(|error| error.to_string())?;
            let actual = output(&argon2, &password, salt, expected.len(), memory)?;
            let is = |expected: &Output| bool::from(expected.as_ref().ct_eq(actual.as_ref()));
            let other = beside.and_then(|beside| beside.hash);
            Ok([is(expected), other.is_some_and(|other| is(&other))])
        })
        .await
    }

    async fn compute<T: Send + 'static>(
        self,
        work: impl FnOnce(&mut Memory) -> Result<T, String> + Send + 'static,
    ) -> Result<T, StoreError> {
        let Self { memories, permits, guest, cost: _ } = self;
        let run = move || {
            // The turn goes with the work, which a caller that leaves does not stop.
            let _permits = (permits, guest);
            let list = || memories.lock().unwrap_or_else(PoisonError::into_inner);
            let memory = list().pop();
            let mut memory = memory.unwrap_or_else(|| Memory::new_in(System));
            let done = work(&mut memory);
            // A hash that somebody else made may want much more: that is not kept.
            if memory.len() <= COST.memory as usize {
                list().push(memory);
            }
            done
        };
        let done = tokio::task::spawn_blocking(run).await;
        done.map_err(|error| failed(error.to_string()))?.map_err(failed)
    }
}

/// Whether two hashes were made by the same function with the same salt, so that one computation answers for both.
pub(crate) fn are_alike(one: &str, other: &str) -> bool {
    let made_with = |hash: &str| hash.rsplit_once('$').map(|(made_with, _)| made_with.to_owned());
    one.starts_with("$argon2") && one.len() == other.len() && made_with(one) == made_with(other)
}

/// The function that a stored hash was made with.
fn as_stored(hash: &PasswordHash) -> Result<Argon2<'static>, argon2::password_hash::Error> {
    let algorithm = Algorithm::try_from(hash.algorithm.as_str())?;
    let version = hash.version.map(Version::try_from).transpose()?.unwrap_or_default();
    Ok(Argon2::new(algorithm, version, Params::try_from(hash)?))
}

fn output(
    argon2: &Argon2<'_>,
    password: &Secret,
    salt: &Salt,
    length: usize,
    memory: &mut Memory,
) -> Result<Output, String> {
    let blocks = argon2.params().block_count();
    if memory.len() < blocks {
        memory.resize(blocks, Block::default());
    }
    let mut bytes = vec![0; length];
    argon2
        .hash_password_into_with_memory(
            password.expose().as_bytes(),
            salt.as_ref(),
            &mut bytes,
            &mut memory[..blocks],
        )
        .map_err(|error| error.to_string())?;
    Output::new(&bytes).map_err(|error| error.to_string())
}

fn failed(error: String) -> StoreError {
    StoreError::new(StoreErrorKind::Other, format!("hashing a password: {error}"))
}

/// Random bytes of the operating system.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], StoreError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)
        .map_err(|error| StoreError::new(StoreErrorKind::Other, format!("no random bytes: {error}")))?;
    Ok(bytes)
}

/// A new password of 24 letters and digits that do not look alike: 138 bits.
pub(crate) fn make() -> Result<Secret, StoreError> {
    const LETTERS: &[u8; 54] = b"ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456";
    let mut password = String::with_capacity(24);
    while password.len() < 24 {
        // 216 is the largest multiple of 54 in a byte: no letter is likelier than another.
        for byte in random::<32>()?.into_iter().filter(|byte| *byte < 216) {
            if password.len() < 24 {
                password.push(char::from(LETTERS[usize::from(byte) % LETTERS.len()]));
            }
        }
    }
    Ok(Secret::new(password))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_verifies_and_another_does_not() {
        let passwords = Passwords::default();
        let made = make().unwrap();
        assert_eq!(made.expose().len(), 24);
        let hash = passwords.turn(None).await.unwrap().hash(&made).await.unwrap();
        assert!(hash.starts_with("$argon2id$"), "{hash}");
        let verify = async |password: &Secret, hash: &str| {
            let found = passwords.turn(None).await.unwrap().verify(password, hash, None).await;
            found.map(|[right, _]| right)
        };
        assert!(verify(&made, &hash).await.unwrap());
        assert!(!verify(&Secret::new("other"), &hash).await.unwrap());
        assert!(!verify(&Secret::new("x".repeat(2000)), &hash).await.unwrap());
        assert!(verify(&made, "$argon2id$v=19$m=7168,t=5,p=1").await.is_err(), "half a hash is no hash");
        assert_eq!(passwords.memories.lock().unwrap().len(), 1, "memory is used again");
    }

    #[tokio::test]
    async fn a_random_password_costs_little_and_verifies_everywhere() {
        let made = make().unwrap();
        let hash = Passwords::of_random().hash(&made).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=8,t=1,p=1$"), "{hash}");
        let verified = async |password: &Secret| {
            Passwords::default().turn(None).await.unwrap().verify(password, &hash, None).await.unwrap()[0]
        };
        assert!(verified(&made).await);
        assert!(!verified(&make().unwrap()).await);
    }

    #[tokio::test]
    async fn one_computation_tells_of_two_passwords_with_one_salt() {
        let passwords = Passwords::default();
        let (one, other) = (Secret::new("Correct horse 1"), Secret::new("Correct horse 2"));
        let turn = async || passwords.turn(None).await.unwrap();
        let hash = turn().await.hash(&one).await.unwrap();
        let beside = turn().await.hash_beside(&other, Some(&hash)).await.unwrap();
        assert!(hash != beside && are_alike(&hash, &beside));
        assert!(!are_alike(&hash, &turn().await.hash(&other).await.unwrap()), "it has a salt of its own");
        for (password, found) in
            [(&one, [true, false]), (&other, [false, true]), (&Secret::new("wrong"), [false; 2])]
        {
            assert_eq!(turn().await.verify(password, &hash, Some(&beside)).await.unwrap(), found);
        }
        // Beside one that was made elsewhere, with the costs of today.
        let foreign =
            "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
        let beside = turn().await.hash_beside(&other, Some(foreign)).await.unwrap();
        assert!(beside.starts_with("$argon2id$v=19$m=7168,t=5,p=1$") && !are_alike(foreign, &beside));
        for none in ["", "$", "$harbor$sha256$salt$00"] {
            assert!(!are_alike(none, none));
            turn().await.hash_beside(&other, Some(none)).await.unwrap();
        }
    }

    #[tokio::test]
    async fn only_so_many_wait() {
        let passwords = Passwords::default();
        let turns = [passwords.turn(None).await.unwrap(), passwords.turn(None).await.unwrap()];
        let waiting: Vec<_> = (0..WAITING)
            .map(|_| {
                let passwords = passwords.clone();
                tokio::spawn(async move { passwords.turn(None).await.map(drop) })
            })
            .collect();
        while passwords.places.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(passwords.turn(None).await.unwrap_err().kind(), StoreErrorKind::Busy);
        drop(turns);
        for waiting in waiting {
            waiting.await.unwrap().unwrap();
        }
        drop(passwords.turn(None).await.unwrap());
    }

    #[tokio::test]
    async fn one_address_does_not_fill_the_queue() {
        let passwords = Passwords::default();
        let turns = [passwords.turn(None).await.unwrap(), passwords.turn(None).await.unwrap()];
        let from = |number: u8| Some(IpAddr::from([192, 0, 2, number]));
        let wait = |number: u8| {
            let passwords = passwords.clone();
            tokio::spawn(async move { passwords.turn(from(number)).await.map(drop) })
        };
        let waiting: Vec<_> = (0..OF_ONE).map(|_| wait(1)).collect();
        while passwords.places.available_permits() > WAITING - OF_ONE {
            tokio::task::yield_now().await;
        }
        assert_eq!(passwords.turn(from(1)).await.unwrap_err().kind(), StoreErrorKind::Busy);
        let other = wait(2);
        drop(turns);
        for waiting in waiting {
            waiting.await.unwrap().unwrap();
        }
        other.await.unwrap().unwrap();
        drop(passwords.turn(from(1)).await.unwrap());
    }

    /// Who asks and leaves must not get others computed at the same time for it.
    #[tokio::test]
    async fn a_turn_lasts_as_long_as_the_work() {
        let passwords = Passwords::default();
        let turn = passwords.turn(None).await.unwrap();
        let (begun, wait) = std::sync::mpsc::channel();
        let (go, told) = std::sync::mpsc::channel::<()>();
        let mut work = Box::pin(turn.compute(move |_| {
            begun.send(()).map_err(|error| error.to_string())?;
            told.recv().map_err(|error| error.to_string())
        }));
        assert!(futures_util::poll!(&mut work).is_pending());
        wait.recv().unwrap();
        drop(work);
        assert_eq!(passwords.turns.available_permits(), AT_ONCE - 1);
        go.send(()).unwrap();
        while passwords.turns.available_permits() < AT_ONCE {
            tokio::task::yield_now().await;
        }
    }

    /// Made by the reference implementation (`argon2 somesalt -id -t 2 -k 65536 -p 1`).
    #[tokio::test]
    async fn hashes_of_other_programs_verify_with_their_own_costs() {
        let hash = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
        let passwords = Passwords::default();
        for (password, right) in [("password", true), ("Password", false)] {
            let turn = passwords.turn(None).await.unwrap();
            assert_eq!(turn.verify(&Secret::new(password), hash, None).await.unwrap(), [right, false]);
        }
    }
}
