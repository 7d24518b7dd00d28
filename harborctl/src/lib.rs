//! harborctl.
