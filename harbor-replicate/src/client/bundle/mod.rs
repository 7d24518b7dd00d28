//! Across an air gap: images of many repositories in one archive, with a signed list of what is in it.
//!
//! [`Export`] writes one from a registry, [`Bundle`] reads, verifies and loads it. The archive is an OCI layout in a tar, so whatever
//! reads those reads it; beside the layout's own files it has two more:
//!
//! * `contents.json`, an [`Inventory`]: every image with its repository and tag, every blob with its size, and which of the blobs were
//!   left out, because an earlier bundle had them;
//! * `contents.sig`, its signature by a [`SigningKey`]: Ed25519 or ECDSA on P-256.
//!
//! Manifests are never left out, so what a bundle needs can be told from it alone.

mod export;
mod import;
mod inventory;
mod key;

pub use export::Export;
pub use import::{Bundle, Checked, Loading};
pub use inventory::{Inventory, InventoryBlob, InventoryImage};
pub use key::{KeyKind, SigningKey, VerifyKey};
