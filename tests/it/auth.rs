//! Registering, signing in, and staying signed in.

mod limits;
mod mail;
mod passwords;
mod registration;
mod rehearsed;
mod repeats;
mod second_factor;
mod sessions;
mod silence;
