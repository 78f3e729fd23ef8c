//! What tests stand on: a database of their own, a whole server over it, and customers who write.

mod app;
mod customers;
mod database;
pub(crate) mod document;
mod founded;
mod listening;
mod mail;
mod people;
mod programs;

#[allow(unused_imports)]
pub(crate) use app::{
    ACCESS_TOKEN, API_TOKEN, APP_SECRET, Answer, App, LINE, Organization, Twin, VERIFY_TOKEN,
    client, graphs, shop_line, till_account,
};
pub(crate) use customers::{ANA, BEN, at, customer, line, text};
pub(crate) use database::TestDatabase;
pub(crate) use founded::{Founded, founded};
pub(crate) use listening::Listening;
pub(crate) use mail::Mail;
pub(crate) use people::{Account, PASSWORD};
pub(crate) use programs::{Running, Scratch, assert_whole, ended, program, said};
