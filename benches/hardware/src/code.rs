//! What a kernel's machine code consists of.
//!
//! Two notations are read: LLVM's, and the compiler's own, which RADV gives where its LLVM does not know the family.

use std::collections::BTreeMap;

/// Instructions by kind.
#[derive(Clone, Copy, Debug, Default)]
pub struct Code {
    /// Of vectors of threads, as they stand in the code.
    pub valu: usize,
    /// Loads and stores of memory, and loads of constants.
    pub memory: usize,
    /// Of workgroup memory.
    pub lds: usize,
    /// Of matrix units.
    pub wmma: usize,
    /// Floating-point operations of a subgroup, loops counted as often as the compiler's own model does.
    pub flops: f64,
    /// Cycles in which a SIMD issues a subgroup's vector instructions, loops counted likewise.
    pub issue: f64,
    /// The share of the vector instructions that multiply and add, loops counted likewise.
    pub multiply_adds: f64,
}

/// How a family issues vector instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Issue {
    /// 16 threads a cycle: GCN, CDNA.
    Sixteen,
    /// 32 threads a cycle: RDNA, RDNA 2.
    ThirtyTwo,
    /// 32 threads a cycle, or 64 for what can be issued in pairs: from RDNA 3 on.
    Paired,
}

impl Issue {
    /// Cycles of one instruction, as the compiler's model has them.
    fn cycles(self, operation: &str, subgroup: u32) -> f64 {
        let begins = |prefixes: &[&str]| prefixes.iter().any(|prefix| operation.starts_with(prefix));
        if begins(&["v_wmma"]) {
            return 32.0;
        }
        let paired = [
            "v_fma_f",
            "v_fmac_f",
            "v_fmaak_f",
            "v_fmamk_f",
            "v_mul_f",
            "v_add_f",
            "v_sub_f",
            "v_subrev_f",
            "v_mov_b",
            "v_cndmask_b",
            "v_max_f",
            "v_min_f",
            "v_max_num_f",
            "v_min_num_f",
            "v_dual_",
        ];
        let passes = match self {
            Self::Sixteen => f64::from(subgroup) / 16.0,
            Self::Paired if begins(&paired) => 1.0,
            Self::ThirtyTwo | Self::Paired => f64::from(subgroup) / 32.0,
        };
        // Products of 32-bit integers and transcendental functions run at a quarter of the rate.
        let quarter =
            begins(&["v_mul_lo_u32", "v_mul_lo_i32", "v_mul_hi_", "v_rcp_", "v_sqrt_", "v_exp_", "v_log_"]);
        if quarter { 4.0 * passes } else { passes }
    }
}

/// How often the compiler takes a loop's body to run, by the depth of its nesting (`aco_statistics.cpp`): 8 times, a loop
/// in it 4 times as often, every other twice.
fn iterations(depth: usize) -> f64 {
    match depth {
        0 => 1.0,
        1 => 8.0,
        deeper => 32.0 * f64::from(1 << (deeper - 2).min(16) as u32),
    }
}

/// A line's label, if it is one.
fn label(line: &str) -> Option<usize> {
    line.strip_prefix("BB")?.trim_end().trim_end_matches(':').parse().ok()
}

/// The operations of a line's instruction (two where two are issued together), and the block that it jumps to.
fn instruction(line: &str) -> Option<(Vec<&str>, Option<usize>)> {
    let line = line.strip_prefix('\t')?.split(';').next()?;
    let jump = line.split("BB").nth(1).filter(|_| line.contains("branch"));
    let jump = jump.and_then(|rest| rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok());
    // The compiler's own notation begins with what is written.
    let operations = line.split("::").filter_map(|half| {
        let half = half.rsplit_once(" = ").map_or(half, |(_, operation)| operation);
        half.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_lowercase()))
    });
    let operations: Vec<_> = operations.collect();
    (!operations.is_empty()).then_some((operations, jump))
}

/// FLOPs of a thread; of a subgroup where matrix units compute.
fn flops(operation: &str) -> f64 {
    let name = operation.replace("v_dual_", "v_");
    let begins = |prefixes: &[&str]| prefixes.iter().any(|prefix| name.starts_with(prefix));
    if !(name.contains("_f32") || name.contains("_f16")) {
        return 0.0;
    }
    if begins(&["v_pk_fma", "v_dot2"]) {
        4.0
    } else if begins(&["v_fma", "v_mad", "v_mac", "v_pk_add", "v_pk_mul"]) {
        2.0
    } else if begins(&["v_add_f", "v_sub_f", "v_subrev_f", "v_mul_f"]) {
        1.0
    } else {
        0.0
    }
}

/// A product of 16×16×16.
const MATRIX_FLOPS: f64 = 2.0 * 16.0 * 16.0 * 16.0;

impl Code {
    pub fn new(text: &str, subgroup: u32, family: Issue) -> Self {
        let mut blocks: Vec<Vec<Vec<&str>>> = vec![Vec::new()];
        let mut places = BTreeMap::new();
        // From a block to one before it, or to itself: the loops.
        let mut jumps: Vec<(usize, usize)> = Vec::new();
        for line in text.lines() {
            if let Some(number) = label(line) {
                places.insert(number, blocks.len());
                blocks.push(Vec::new());
            } else if let Some((operations, jump)) = instruction(line) {
                jumps.extend(jump.map(|target| (blocks.len() - 1, target)));
                if let Some(block) = blocks.last_mut() {
                    block.push(operations);
                }
            }
        }
        let mut loops: BTreeMap<usize, usize> = BTreeMap::new();
        for (from, target) in jumps {
            if let Some(&head) = places.get(&target).filter(|&&head| head <= from) {
                let end = loops.entry(head).or_default();
                *end = from.max(*end);
            }
        }
        let mut code = Self::default();
        let (mut vector, mut multiply_adds) = (0.0, 0.0);
        for (i, block) in blocks.iter().enumerate() {
            let depth = loops.iter().filter(|&(&head, &end)| (head..=end).contains(&i)).count();
            let times = iterations(depth);
            for operations in block {
                let first = operations[0];
                let begins = |prefixes: &[&str]| prefixes.iter().any(|prefix| first.starts_with(prefix));
                if begins(&["v_wmma"]) {
                    code.wmma += 1;
                    code.flops += times * MATRIX_FLOPS;
                }
                if begins(&["v_"]) {
                    code.valu += 1;
                    vector += times;
                    code.issue += times * family.cycles(first, subgroup);
                    let each: f64 = operations.iter().map(|operation| flops(operation)).sum();
                    code.flops += times * each * f64::from(subgroup);
                    if each >= 2.0 || begins(&["v_wmma"]) {
                        multiply_adds += times;
                    }
                } else if begins(&["ds_"]) {
                    code.lds += 1;
                } else if begins(&["buffer_", "global_", "flat_", "s_load", "s_buffer_load"]) {
                    code.memory += 1;
                }
            }
        }
        code.multiply_adds = if vector > 0.0 { multiply_adds / vector } else { 0.0 };
        code
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loops_and_both_notations_are_counted() {
        let llvm = "BB0:\n\ts_load_b128 s[4:7], s[2:3], null ; f4\nBB1:\n\tv_fmac_f32_e32 v0, v1, v2 ; 56\n\tds_load_b32 v1, v0\n\
                    \ts_cbranch_scc0 BB1 ; bf\nBB2:\n\tv_dual_fmac_f32 v0, v1, v2 :: v_dual_mov_b32 v3, 0\n\ts_endpgm\n";
        let own = "BB0\n/* kind: uniform, */\n\t s4: %1:s[4-7] = s_load_dwordx4 %0:s[2-3], 0\nBB1\n\
                   \t v1: %2:v[0] = v_fmac_f32 %3:v[1], %4:v[2], %2:v[0]\n\t v1: %5:v[1] = ds_read_b32 %2:v[0]\n\
                   \ts_cbranch_scc0 block:BB1\nBB2\n\
                   \t v1: %6:v[0],  v1: %7:v[3] = v_dual_fmac_f32 %2:v[1] :: v_dual_mov_b32 0\n\ts_endpgm\n";
        for text in [llvm, own] {
            let code = Code::new(text, 32, Issue::ThirtyTwo);
            assert_eq!((code.valu, code.memory, code.lds, code.wmma), (2, 1, 1, 0), "{text}");
            assert_eq!(code.flops, 32.0 * 2.0 * (8.0 + 1.0), "{text}");
            assert_eq!((code.issue, code.multiply_adds), (9.0, 1.0), "{text}");
        }
    }

    #[test]
    fn matrix_units_are_counted() {
        let code = Code::new(
            "BB0:\n\tv_wmma_f32_16x16x16_f16 v[0:7], v[8:15], v[16:23], v[0:7]\n",
            32,
            Issue::Paired,
        );
        assert_eq!((code.wmma, code.flops), (1, 8192.0));
    }

    #[test]
    fn pairs_take_a_cycle_and_products_of_integers_four_times_as_long() {
        let cycles = |operation| {
            [Issue::Sixteen, Issue::ThirtyTwo, Issue::Paired].map(|issue| issue.cycles(operation, 64))
        };
        assert_eq!(cycles("v_fmac_f32_e32"), [4.0, 2.0, 1.0]);
        assert_eq!(cycles("v_add_u32"), [4.0, 2.0, 2.0]);
        assert_eq!(cycles("v_mul_lo_u32"), [16.0, 8.0, 8.0]);
    }

    #[test]
    fn an_inner_loop_weighs_more() {
        assert_eq!([0, 1, 2, 3, 4].map(iterations), [1.0, 8.0, 32.0, 64.0, 128.0]);
    }
}
