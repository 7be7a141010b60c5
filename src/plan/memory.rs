//! Lifetimes and buffers.
//!
//! Every tensor lies in an allocation: its own, or one that it shares as an alias. A view shares its input's
//! allocation, the inputs of a packed tensor share that tensor's, a variable's new value shares the
//! variable's, and an operation in place shares its input's. What is packed of operations in place on slices
//! shares the allocation of what was sliced.
//!
//! An allocation lives from the first step that writes it to the last that reads it. Allocations whose lives
//! do not overlap share a buffer; the largest choose first (Pisarchyk and Lee 2020, "greedy by size").

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{Buffer, Contents, Place, Program, Request, Step, Target, Work};
use crate::graph::{GraphOp, NodeId, Shape};
use crate::ops::kernel::Kernel;
use crate::ops::{Graph, Op};

struct Allocation {
    len: usize,
    /// The first and the last position in the order at which it is in use.
    first: usize,
    last: usize,
    /// Whether it keeps its buffer for itself, because its contents outlive a run.
    exclusive: bool,
}

struct Memory<'a> {
    graph: &'a Graph,
    target: &'a dyn Target,
    compiled: &'a HashMap<NodeId, Kernel>,
    /// Position in the order of every node that runs.
    position: HashMap<NodeId, usize>,
    consumers: HashMap<NodeId, Vec<NodeId>>,
    outputs: BTreeSet<NodeId>,
    /// What must stay to the end of a run: outputs, and new values of variables.
    kept: BTreeSet<NodeId>,
    allocations: Vec<Allocation>,
    /// Where every node lies: the allocation, and the offset in it.
    places: HashMap<NodeId, (usize, usize)>,
    /// The nodes that share each allocation.
    aliases: Vec<Vec<NodeId>>,
}

/// Compiles the nodes, but for those whose kernel is among `compiled` and whose output lies in no input's
/// place, and gives all tensors memory.
pub fn assign(
    graph: &Graph,
    request: &Request,
    order: &[NodeId],
    target: &dyn Target,
    compiled: &HashMap<NodeId, Kernel>,
) -> Program {
    let mut consumers: HashMap<NodeId, Vec<NodeId>> = HashMap::new();
    for &id in order {
        for &input in &graph.node(id).inputs {
            consumers.entry(input).or_default().push(id);
        }
    }
    let mut memory = Memory {
        graph,
        target,
        compiled,
        position: order.iter().enumerate().map(|(i, &id)| (id, i)).collect(),
        consumers,
        outputs: request.outputs.iter().copied().collect(),
        kept: request
            .outputs
            .iter()
            .copied()
            .chain(request.updates.iter().map(|&(_, value)| value))
            .collect(),
        allocations: Vec::new(),
        places: HashMap::new(),
        aliases: Vec::new(),
    };
    memory.program(request, order)
}

impl Memory<'_> {
    fn program(&mut self, request: &Request, order: &[NodeId]) -> Program {
        let packed = self.packed_inputs(order);
        let mut copies = Vec::new(); // (after position, from, to)
        let mut steps: Vec<(usize, NodeId, Work)> = Vec::new();
        for (position, &id) in order.iter().enumerate() {
            match &self.graph.node(id).op {
                Op::Input(_) | Op::Variable(_) => self.allocate(id, position, true),
                Op::View(view) => {
                    let (allocation, offset) = self.places[&self.graph.node(id).inputs[0]];
                    if (offset + view.offset).is_multiple_of(self.target.alignment()) {
                        self.place(id, allocation, offset + view.offset, position);
                    } else {
                        self.allocate(id, position, false);
                        copies.push((position, id));
                    }
                }
                Op::Pack(_) => {
                    // Made with its first input.
                    if !self.places.contains_key(&id) {
                        self.allocate(id, position, self.has_gaps(id));
                    }
                    copies.push((position, id));
                }
                op => {
                    let in_place = self.place_result(id, position, request, &packed);
                    let prepared = self.graph.node(id).prepared.clone();
                    let compiled = self.compiled.get(&id).filter(|_| in_place.is_none());
                    let kernel =
                        compiled.cloned().unwrap_or_else(|| self.target.compile(&prepared, in_place));
                    let (op, prepared) = (op.clone(), Box::new(prepared));
                    let work = Work::Run { op, prepared, in_place, kernel, workspace: None };
                    steps.push((position, id, work));
                }
            }
        }
        self.extend_lives(order.len());
        let workspaces = self.add_workspaces(&steps);
        let (buffers, buffer_of) = self.share();
        let place =
            |(allocation, offset): (usize, usize), len| Place { buffer: buffer_of[allocation], offset, len };
        let of = |id: NodeId| {
            let shape = self.graph.shape(id).clone();
            let place = place(self.places[&id], shape.elements());
            (shape, place)
        };
        let mut timed: Vec<(usize, Step)> = Vec::new();
        for (i, (position, id, mut work)) in steps.into_iter().enumerate() {
            if let (Work::Run { workspace, .. }, Some(&allocation)) = (&mut work, workspaces.get(&i)) {
                *workspace = Some(place((allocation, 0), self.allocations[allocation].len));
            }
            let node = self.graph.node(id);
            let inputs = node.inputs.iter().map(|&input| of(input)).collect();
            timed.push((position, Step { name: node.name.clone(), work, inputs, output: of(id) }));
        }
        for (position, id) in copies {
            timed.extend(self.copy_steps(id, &of).into_iter().map(|step| (position, step)));
        }
        timed.sort_by_key(|(position, _)| *position);
        let mut steps: Vec<Step> = timed.into_iter().map(|(_, step)| step).collect();
        for &(variable, value) in &request.updates {
            let ((shape, to), (_, from)) = (of(variable), of(value));
            if to != from {
                let name = format!("{}:update", self.graph.node(variable).name);
                let (inputs, output) = (vec![(shape.clone(), from)], (shape, to));
                steps.push(Step { name, work: Work::Copy, inputs, output });
            }
        }
        let is_leaf = |id: NodeId| matches!(self.graph.node(id).op, Op::Input(_) | Op::Variable(_));
        let visible: BTreeMap<NodeId, Place> = order
            .iter()
            .filter(|&&id| is_leaf(id) || self.outputs.contains(&id))
            .map(|&id| (id, of(id).1))
            .collect();
        let names = visible.keys().map(|&id| (id, self.graph.node(id).name.clone())).collect();
        Program { steps, buffers, outputs: request.outputs.clone(), visible, names }
    }

    fn place(&mut self, id: NodeId, allocation: usize, offset: usize, position: usize) {
        self.allocations[allocation].first = self.allocations[allocation].first.min(position);
        self.places.insert(id, (allocation, offset));
        self.aliases[allocation].push(id);
    }

    fn allocate(&mut self, id: NodeId, position: usize, exclusive: bool) {
        let len = self.graph.shape(id).elements();
        self.allocations.push(Allocation { len, first: position, last: position, exclusive });
        self.aliases.push(Vec::new());
        self.place(id, self.allocations.len() - 1, 0, position);
    }

    /// Whether something lies between a pack's inputs: zeros, which stay only where the allocation is
    /// exclusive.
    fn has_gaps(&self, pack: NodeId) -> bool {
        let node = self.graph.node(pack);
        let packed: usize = node.inputs.iter().map(|&input| self.graph.shape(input).elements()).sum();
        packed < node.shape.elements()
    }

    /// Which nodes are computed directly into which pack, and where in it.
    fn packed_inputs(&self, order: &[NodeId]) -> HashMap<NodeId, (NodeId, usize)> {
        let mut packed: HashMap<NodeId, (NodeId, usize)> = HashMap::new();
        for &pack in order {
            let node = self.graph.node(pack);
            let Op::Pack(op) = &node.op else { continue };
            for (&input, &offset) in node.inputs.iter().zip(&op.offsets) {
                let computed = !matches!(
                    self.graph.node(input).op,
                    Op::Input(_) | Op::Variable(_) | Op::View(_) | Op::Pack(_)
                );
                // Packed twice, it would be copied within one buffer, which a GPU does not do.
                let once = node.inputs.iter().filter(|&&i| i == input).count() == 1;
                let free = once && !packed.contains_key(&input) && !self.kept.contains(&input);
                // No kernel may read one part of a buffer and write another, be it through a view.
                let viewed = |c: &NodeId| matches!(self.graph.node(*c).op, Op::View(_));
                let free = free && !self.consumers[&input].iter().any(viewed);
                let apart = |other: NodeId| packed.get(&other).is_none_or(|&(of, _)| of != pack);
                let clear = self.consumers[&input].iter().all(|&c| apart(c))
                    && self.graph.node(input).inputs.iter().all(|&i| apart(i));
                if computed && free && clear && offset.is_multiple_of(self.target.alignment()) {
                    packed.insert(input, (pack, offset));
                }
            }
        }
        packed
    }

    /// Places an operation's result; returns the input in whose place it lies, if any.
    fn place_result(
        &mut self,
        id: NodeId,
        position: usize,
        request: &Request,
        packed: &HashMap<NodeId, (NodeId, usize)>,
    ) -> Option<usize> {
        let allowed = self.graph.node(id).prepared.in_place;
        if let Some(&(pack, offset)) = packed.get(&id) {
            if !self.places.contains_key(&pack) {
                match self.sliced_allocation(pack, position, packed) {
                    Some(allocation) => self.place(pack, allocation, 0, position),
                    None => self.allocate(pack, position, self.has_gaps(pack)),
                }
            }
            let allocation = self.places[&pack].0;
            self.place(id, allocation, offset, position);
            let inputs = &self.graph.node(id).inputs;
            return allowed.filter(|&i| self.places[&inputs[i]] == (allocation, offset));
        }
        if let Some(i) = allowed {
            let input = self.graph.node(id).inputs[i];
            let (allocation, offset) = self.places[&input];
            let updated = request.updates.iter().any(|&(variable, value)| variable == input && value == id);
            let mutable = updated || !self.allocations[allocation].exclusive;
            if mutable && self.is_last_reader(id, input, allocation, position) {
                self.place(id, allocation, offset, position);
                return Some(i);
            }
        }
        self.allocate(id, position, false);
        None
    }

    /// The allocation of a tensor in whose place a pack can lie, because the pack's inputs are computed in
    /// place, each of the slice of that tensor which lies where it will lie itself, and nobody reads the
    /// tensor from `position` on but they.
    fn sliced_allocation(
        &self,
        pack: NodeId,
        position: usize,
        packed: &HashMap<NodeId, (NodeId, usize)>,
    ) -> Option<usize> {
        let parts = &self.graph.node(pack).inputs;
        let mut slices = BTreeSet::new();
        let mut place = None;
        for &part in parts {
            let &(_, offset) = packed.get(&part).filter(|(of, _)| *of == pack)?;
            let node = self.graph.node(part);
            let in_place = node.prepared.in_place?;
            let slice = node.inputs[in_place];
            let Op::View(view) = &self.graph.node(slice).op else { return None };
            let of = *self.places.get(&self.graph.node(slice).inputs[0])?;
            let same = *place.get_or_insert(of) == of && view.offset == offset;
            let only = self.consumers[&slice] == [part] && !self.kept.contains(&slice);
            if !same || !only || node.shape.elements() != view.shape.elements() {
                return None;
            }
            let others = node.inputs.iter().enumerate().filter(|&(i, _)| i != in_place);
            for (_, &other) in others {
                if self.places.get(&self.owner(other))?.0 == of.0 {
                    return None;
                }
            }
            slices.insert(slice);
        }
        let (allocation, offset) = place?;
        let Allocation { len, exclusive, .. } = self.allocations[allocation];
        let whole = offset == 0 && len == self.graph.shape(pack).elements() && !self.has_gaps(pack);
        let unread = self.aliases[allocation].iter().all(|alias| {
            let mut later =
                self.consumers.get(alias).into_iter().flatten().filter(|c| self.position[c] > position);
            !self.kept.contains(alias) && later.all(|c| slices.contains(c))
        });
        (whole && unread && !exclusive).then_some(allocation)
    }

    /// The node in whose memory a view lies, if it is not copied.
    fn owner(&self, mut id: NodeId) -> NodeId {
        while let Op::View(_) = self.graph.node(id).op {
            id = self.graph.node(id).inputs[0];
        }
        id
    }

    /// Whether node `id` reads `input` once, and nobody reads anything in its allocation from then on.
    fn is_last_reader(&self, id: NodeId, input: NodeId, allocation: usize, position: usize) -> bool {
        let inputs = &self.graph.node(id).inputs;
        let once = inputs.iter().filter(|i| self.places[i].0 == allocation).count() == 1;
        let whole = self.allocations[allocation].len == self.graph.shape(id).elements();
        let unread = self.aliases[allocation].iter().all(|&alias| {
            let kept = self.kept.contains(&alias);
            let later = |c: &NodeId| self.position[c] > position;
            !kept && !self.consumers.get(&alias).is_some_and(|c| c.iter().any(later))
        });
        once && whole && unread && self.graph.shape(input).elements() == self.allocations[allocation].len
    }

    fn extend_lives(&mut self, end: usize) {
        for (allocation, aliases) in self.allocations.iter_mut().zip(&self.aliases) {
            for alias in aliases {
                let readers = self.consumers.get(alias).into_iter().flatten();
                let last = readers.map(|reader| self.position[reader]).max().unwrap_or(0);
                allocation.last = allocation.last.max(last);
                if self.kept.contains(alias) {
                    allocation.last = end;
                }
            }
        }
    }

    /// A allocation for every step that needs scratch memory, by the step's index.
    fn add_workspaces(&mut self, steps: &[(usize, NodeId, Work)]) -> HashMap<usize, usize> {
        let mut workspaces = HashMap::new();
        for (i, (position, _, work)) in steps.iter().enumerate() {
            let Work::Run { kernel, .. } = work else { continue };
            let len = kernel.workspace();
            if len > 0 {
                self.allocations.push(Allocation {
                    len,
                    first: *position,
                    last: *position,
                    exclusive: false,
                });
                self.aliases.push(Vec::new());
                workspaces.insert(i, self.allocations.len() - 1);
            }
        }
        workspaces
    }

    /// Buffers, and the buffer of every allocation.
    fn share(&self) -> (Vec<Buffer>, Vec<usize>) {
        let mut buffers: Vec<Buffer> = Vec::new();
        let mut lives: Vec<Vec<(usize, usize)>> = Vec::new();
        let mut buffer_of = vec![0; self.allocations.len()];
        let mut largest_first: Vec<usize> = (0..self.allocations.len()).collect();
        largest_first
            .sort_by_key(|&allocation| (std::cmp::Reverse(self.allocations[allocation].len), allocation));
        for allocation in largest_first {
            let Allocation { len, first, last, exclusive } = self.allocations[allocation];
            let fits = |buffer: &usize| {
                buffers[*buffer].contents == Contents::Scratch
                    && lives[*buffer].iter().all(|&(from, to)| last < from || to < first)
            };
            // Allocations come largest first, so every buffer is large enough; the smallest wastes least.
            let shared = (0..buffers.len()).filter(fits).min_by_key(|&buffer| buffers[buffer].len);
            let buffer = shared.filter(|_| !exclusive).unwrap_or_else(|| {
                let contents = if exclusive { Contents::Zeros } else { Contents::Scratch };
                buffers.push(Buffer { len, contents });
                lives.push(Vec::new());
                buffers.len() - 1
            });
            lives[buffer].push((first, last));
            buffer_of[allocation] = buffer;
        }
        (buffers, buffer_of)
    }

    /// The copies that a view out of alignment, or a pack with inputs that lie elsewhere, still needs.
    fn copy_steps(&self, id: NodeId, of: &impl Fn(NodeId) -> (Shape, Place)) -> Vec<Step> {
        let node = self.graph.node(id);
        let (_, whole) = of(id);
        let copy = |shape: Shape, from: Place, to: Place| {
            let name = format!("{}:{}", node.name, node.op.name());
            let (inputs, output) = (vec![(shape.clone(), from)], (shape, to));
            Step { name, work: Work::Copy, inputs, output }
        };
        match &node.op {
            Op::View(view) => {
                let (_, source) = of(node.inputs[0]);
                let from = Place { offset: source.offset + view.offset, len: whole.len, ..source };
                vec![copy(node.shape.clone(), from, whole)]
            }
            Op::Pack(pack) => {
                let parts = node.inputs.iter().zip(&pack.offsets).map(|(&input, &offset)| {
                    let (shape, from) = of(input);
                    let to = Place { offset: whole.offset + offset, len: from.len, ..whole };
                    (shape, from, to)
                });
                parts.filter(|(_, from, to)| from != to).map(|(s, from, to)| copy(s, from, to)).collect()
            }
            _ => Vec::new(),
        }
    }
}
