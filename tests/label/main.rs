//! Labelling a library: nothing is lost, whatever happens.

mod apply;
mod audit;
mod beets;
mod common;
mod formats;
mod full;
mod kill;
mod learn;
mod names;
mod picard;
mod plan;
mod program;
mod python;
