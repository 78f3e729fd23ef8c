//! Registering, signing in, and staying signed in.

mod mail;
mod passwords;
mod registration;
mod second_factor;
mod sessions;
