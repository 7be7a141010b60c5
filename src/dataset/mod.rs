//! Folders of songs as labelled examples.

pub mod demo;
