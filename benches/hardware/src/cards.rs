//! Families of GPUs, with a card of each: what its data sheet says, and the time that a kernel would take on it.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::code::Issue;
use crate::table::Row;

/// What RADV calls a family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[value(rename_all = "lowercase")]
pub enum Family {
    /// GCN 4
    Polaris10,
    /// GCN 5
    Vega10,
    /// CDNA 2: RADV compiles for it, but AMD's cards of this kind are driven by others
    Mi200,
    /// RDNA 2
    Navi21,
    /// RDNA 3
    Navi31,
    /// RDNA 4
    Gfx1201,
}

/// What the gate and the documents look at.
pub const USUAL: [Family; 3] = [Family::Navi21, Family::Navi31, Family::Gfx1201];

/// A card's data sheet.
pub struct Card {
    pub name: &'static str,
    pub units: f64,
    /// SIMDs of a compute unit.
    pub simds: f64,
    /// GHz, at boost.
    pub clock: f64,
    /// GB/s.
    pub bandwidth: f64,
    /// TFLOP/s in f32.
    pub peak: f64,
}

/// What of the memory's bandwidth copies reach; 79 % on the H200 of docs/performance.md.
const COPIED: f64 = 0.8;

impl Family {
    /// What `RADV_FORCE_FAMILY` calls it, and the gate's table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Polaris10 => "polaris10",
            Self::Vega10 => "vega10",
            Self::Mi200 => "mi200",
            Self::Navi21 => "navi21",
            Self::Navi31 => "navi31",
            Self::Gfx1201 => "gfx1201",
        }
    }

    pub fn card(self) -> Card {
        let card =
            |name, units, simds, clock, bandwidth, peak| Card { name, units, simds, clock, bandwidth, peak };
        match self {
            Self::Polaris10 => card("Radeon RX 580", 36.0, 4.0, 1.34, 256.0, 6.2),
            Self::Vega10 => card("Radeon RX Vega 64", 64.0, 4.0, 1.546, 484.0, 12.7),
            Self::Mi200 => card("Instinct MI210", 104.0, 4.0, 1.7, 1638.0, 22.6),
            Self::Navi21 => card("Radeon RX 6900 XT", 80.0, 2.0, 2.25, 512.0, 23.0),
            Self::Navi31 => card("Radeon RX 7900 XTX", 96.0, 2.0, 2.5, 960.0, 61.4),
            Self::Gfx1201 => card("Radeon RX 9070 XT", 64.0, 2.0, 2.97, 640.0, 48.7),
        }
    }

    pub fn issue(self) -> Issue {
        match self {
            Self::Polaris10 | Self::Vega10 | Self::Mi200 => Issue::Sixteen,
            Self::Navi21 => Issue::ThirtyTwo,
            Self::Navi31 | Self::Gfx1201 => Issue::Paired,
        }
    }
}

/// What bounds a kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Bound {
    /// Bytes over the bandwidth.
    Memory,
    /// The cycles of all subgroups over all SIMDs.
    Issue,
    /// The cycles of one workgroup: too few for the card, or too long.
    Latency,
}

/// FLOPs a byte from which on a kernel's FLOPs say how long its loops are.
const ARITHMETIC: f64 = 4.0;

impl Card {
    /// Milliseconds of one dispatch, and what they are due to: the greatest of three bounds.
    pub fn expected(&self, row: &Row) -> (f64, Bound) {
        // The compiler takes every loop for 8 turns. Where a formula has many FLOPs, it tells how many there are.
        let modelled =
            row.code_flops * f64::from(row.workgroups) * f64::from(row.threads) / f64::from(row.subgroup);
        let turns =
            if modelled > 0.0 && row.flops > ARITHMETIC * row.bytes { row.flops / modelled } else { 1.0 };
        let subgroups = f64::from(row.workgroups) * f64::from(row.threads) / 64.0;
        let per_ms = 1e6 * self.clock;
        // The compiler also takes every branch to be taken half of the time or three quarters, even around a whole kernel.
        let cycles = row.cycles.max(row.issue * 64.0 / f64::from(row.subgroup));
        let bounds = [
            (row.bytes / (COPIED * self.bandwidth * 1e6), Bound::Memory),
            (subgroups * cycles * turns / (self.units * self.simds * per_ms), Bound::Issue),
            (row.latency * turns / per_ms, Bound::Latency),
        ];
        bounds.into_iter().max_by(|a, b| a.0.total_cmp(&b.0)).unwrap_or(bounds[0])
    }
}
