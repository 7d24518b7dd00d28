//! What is the same in several places, and what is made of the whole command line.

mod exit_codes;
mod generated;
