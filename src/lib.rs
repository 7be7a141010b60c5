//! GenreRecognizer recognises the genre of songs with a network trained on folders of them, on a compute engine of its own:
//! hand-written WGSL for any GPU, a fast CPU device, and a graph that differentiates itself. There is no ML framework
//! underneath.
//!
//! # Recognise a song
//!
//! ```
//! use genre_recognizer::{Error, Recognizer};
//!
//! fn main() -> Result<(), Error> {
//! #   let folder = tempfile::tempdir().unwrap();
//! #   std::env::set_current_dir(&folder).unwrap();
//! #   let set = genre_recognizer::demo::Spec { songs_per_genre: 1, seconds: (4.0, 4.5), seed: 1 };
//! #   genre_recognizer::demo::render_with(&set, std::path::Path::new("music"), |_, _| {})?;
//! #   std::fs::copy("music/techno/techno-00.wav", "song.mp3").unwrap();
//!     let mut recognizer = Recognizer::open("included")?; // or the file of a model
//!     let verdict = recognizer.recognize("song.mp3")?;
//!     println!("{}", verdict.genre().unwrap_or("unsure"));
//!     for guess in &verdict.guesses {
//!         println!("{} {:.1} %", guess.genre, 100.0 * guess.probability);
//!     }
//! #   assert_eq!(verdict.guesses.len(), recognizer.genres().len());
//!     Ok(())
//! }
//! ```
//!
//! # Train on a folder
//!
//! The folder has a subfolder of songs for each genre. Every setting is a field of [`RunConfig`]; what is left alone has the
//! default that `docs/recognition.md` measures.
//!
//! ```
//! use genre_recognizer::{Error, RunConfig, Training, TrainingEvent};
//! use std::sync::atomic::AtomicBool;
//!
//! fn main() -> Result<(), Error> {
//! #   let folder = tempfile::tempdir().unwrap();
//! #   std::env::set_current_dir(&folder).unwrap();
//! #   unsafe { std::env::set_var("XDG_CACHE_HOME", folder.path().join("cache")) };
//! #   let set = genre_recognizer::demo::Spec { songs_per_genre: 2, seconds: (2.0, 2.5), seed: 1 };
//! #   genre_recognizer::demo::render_with(&set, std::path::Path::new("music"), |_, _| {})?;
//!     let mut config = RunConfig::for_dataset("music");
//!     config.training.epochs = 2;
//! #   (config.model.sample_rate, config.model.n_fft, config.model.high) = (8_000, 256, 4_000.0);
//! #   (config.model.mels, config.model.filters) = (32, vec![4, 8]);
//!     let stop = AtomicBool::new(false); // set from elsewhere, it ends the training and saves it
//!     let outcome = Training::open(config, "runs/music")?.run(
//!         &mut |event| {
//!             if let TrainingEvent::Epoch { epoch, .. } = event {
//!                 println!("epoch {}: loss {:.3}", epoch.epoch, epoch.train_loss);
//!             }
//!         },
//!         &stop,
//!     )?;
//!     println!("the model is {}", outcome.best.display());
//! #   assert!(outcome.best.exists());
//!     Ok(())
//! }
//! ```
//!
//! # Differentiate a graph
//!
//! ```
//! use genre_recognizer::Error;
//! use genre_recognizer::engine::ops::{Axes, Form, Matmul, Reduce, Square, Sub};
//! use genre_recognizer::engine::{DeviceChoice, Graph, Request, compile, open};
//!
//! fn main() -> Result<(), Error> {
//!     let mut graph = Graph::new();
//!     let (x, y) = (graph.input("x", [2, 3])?, graph.input("y", [2, 1])?);
//!     let weight = graph.variable("weight", [1, 3])?;
//!     let predicted = graph.apply(Matmul { form: Form::TransposeB }, &[x, weight])?;
//!     let error = graph.apply(Sub, &[predicted, y])?;
//!     let squares = graph.apply(Square, &[error])?;
//!     let loss = graph.apply(Reduce::mean(Axes::All), &[squares])?;
//!     let upstream = graph.input("upstream", [1])?; // dloss/dloss, which is 1
//!     let gradient = graph.gradients(loss, upstream, &[weight])?[0];
//!
//!     let device = open(DeviceChoice::Auto)?;
//!     let mut program = compile(&graph, &Request::outputs(&[loss, gradient]), device.as_ref())?;
//!     program.write(x, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0])?;
//!     program.write(y, &[1.0, -1.0])?;
//!     program.write(upstream, &[1.0])?;
//!     program.run()?;
//!     assert_eq!(program.outputs()?, [vec![1.0], vec![3.0, 3.0, 3.0]]);
//!     Ok(())
//! }
//! ```
//!
//! # Map
//!
//! | for | see |
//! |---|---|
//! | recognising songs | [`Recognizer`], [`Verdict`]; why: [`Explainer`] |
//! | a model's file | [`Model`], [`ModelCard`], [`ModelConfig`] |
//! | training | [`Training`], [`RunConfig`], [`TrainingEvent`], [`TrainingOutcome`] |
//! | beginning with what another has learnt | [`RunConfig::from_model`], [`Base`]; musicnn's networks: [`Wheel`] |
//! | learning what another hears | [`RunConfig::taught_by`], [`Teacher`], [`Agreement`] |
//! | how good a recipe is | [`cross_validation`] |
//! | songs and folders of them | [`Song`], [`load_song`], [`scan`], [`Library`]; music to try it on: [`demo`] |
//! | a model for browsers and other programs | [`export`] |
//! | graphs of one's own, devices | [`engine`] |
//! | errors | [`Error`], which holds all others |
//!
//! # Features
//!
//! | feature | default | what it brings |
//! |---|---|---|
//! | `cli` | yes | the program `genre-recognizer`, its downloader and its reports; a library does without |
//! | `opus` | yes | decoding of Opus |
//! | `mpi` | no | training by several processes that an MPI starts; building it takes an MPI and libclang |
//! | `internals` | no | the internal modules, for this package's own tests and benches, without any promise |
//!
//! Without `cli` and `opus` the library builds 135 crates instead of 164.
//!
//! Opus is decoded by the crate `ruopus`, whose FFT is the crate `spectrograms`. This package puts a small one of its own
//! in its place by `[patch.crates-io]`. Cargo applies that to the package that is built and not to those that depend on it:
//! with `opus` they get the one from crates.io, which is to do the same (not tried here) and brings ten crates more, unless
//! their own manifest patches it with a copy of `vendor/spectrograms`.
#![cfg_attr(not(feature = "internals"), warn(missing_docs))]
// Documentation also serves readers of the source: with --document-private-items, links to internal items lead there.
#![allow(rustdoc::private_intra_doc_links)]
// Modules export names that only tests and benches use, through `internals`.
#![cfg_attr(not(feature = "internals"), allow(unused_imports))]
#![deny(unsafe_code)]
#![forbid(unsafe_op_in_unsafe_fn)]

#[cfg(not(feature = "internals"))]
mod audio;
#[cfg(feature = "internals")]
pub mod audio;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod cli;
#[cfg(not(feature = "internals"))]
mod dataset;
#[cfg(feature = "internals")]
pub mod dataset;
#[cfg(not(feature = "internals"))]
mod device;
#[cfg(feature = "internals")]
pub mod device;
pub mod engine;
mod error;
pub mod export;
#[cfg(not(feature = "internals"))]
mod files;
#[cfg(feature = "internals")]
pub mod files;
#[cfg(not(feature = "internals"))]
mod gemm;
#[cfg(feature = "internals")]
pub mod gemm;
#[cfg(not(feature = "internals"))]
mod graph;
#[cfg(feature = "internals")]
pub mod graph;
#[cfg(not(feature = "internals"))]
mod import;
#[cfg(feature = "internals")]
pub mod import;
#[cfg(all(feature = "cli", feature = "internals"))]
pub mod label;
#[cfg(all(feature = "cli", not(feature = "internals")))]
mod label;
#[cfg(not(feature = "internals"))]
mod model;
#[cfg(feature = "internals")]
pub mod model;
#[cfg(not(feature = "internals"))]
mod ops;
#[cfg(feature = "internals")]
pub mod ops;
#[cfg(not(feature = "internals"))]
mod paths;
#[cfg(feature = "internals")]
pub mod paths;
#[cfg(not(feature = "internals"))]
mod plan;
#[cfg(feature = "internals")]
pub mod plan;
#[cfg(not(feature = "internals"))]
mod ranks;
#[cfg(feature = "internals")]
pub mod ranks;
#[cfg(not(feature = "internals"))]
mod recognize;
#[cfg(feature = "internals")]
pub mod recognize;
#[cfg(all(feature = "cli", feature = "internals"))]
pub mod report;
#[cfg(all(feature = "cli", not(feature = "internals")))]
mod report;
#[cfg(not(feature = "internals"))]
mod rng;
#[cfg(feature = "internals")]
pub mod rng;
#[cfg(not(feature = "internals"))]
mod score;
#[cfg(feature = "internals")]
pub mod score;
#[cfg(not(feature = "internals"))]
mod simd;
#[cfg(feature = "internals")]
pub mod simd;
#[cfg(not(feature = "internals"))]
mod train;
#[cfg(feature = "internals")]
pub mod train;

pub use error::Error;

// Recognition.
pub use recognize::{ExplainedFrame, Explainer, Guess, RecognizeError, Recognizer, TimedGuess, Verdict};
pub use score::{Aggregation, Calibration, Decision, Epoch, Evaluation, TagFigures};

// Models.
pub use model::{
    Ancestor, Architecture, Branch, Convolution, CrossValidation, Features, FileError, Heard, Labels, Model,
    ModelCard, ModelConfig, ModelError, Musicnn, OptimizerKind, Provenance, Source, Taught, Tensor, Weights,
};

pub use import::{ImportError, Imported, Wheel};

// Training.
pub use train::{
    Agreement, Balance, Base, Checkpoint, Claim, Embeddings, Ending, Exchanged, History, Keep, Metrics,
    Plateau, Preset, Profile, RunConfig, RunFolder, ScheduleKind, Teacher, TrainError, TrainOptions,
    Training, TrainingEvent, TrainingOutcome,
};

// Processes that train together.
pub use ranks::{Link, Patience, Ranks, RanksError, Traffic, Transport};

#[cfg(feature = "mpi")]
pub use ranks::mpi::Job as MpiJob;

// Songs, and folders of them.
pub use audio::{AudioError, AudioFault, AudioSpec, Normalise, Song, load as load_song, load_samples};
pub use dataset::{Augmentation, Cache, Dataset, DatasetError, Library, Problem, Split, scan};

/// Cross-validation: networks that are each trained on all folds of the songs but one, and judged on that one.
pub mod cross_validation {
    pub use crate::train::{
        FoldEvent, Folds, FoldsSetup, PartFigures, Pooled, RuleFigures, Settings, Spread, Tested, Which,
        cross_validate, read_cross_validation,
    };
}

/// Synthesised music in ten genres, to try things on where there is none.
pub mod demo {
    pub use crate::dataset::demo::{DemoError, Outcome, Spec, render, render_with};
}
