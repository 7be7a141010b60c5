/// Why a device could not run a program.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum DeviceError {
    /// The program has no such input, variable or output.
    #[error("node {node} is no input, variable or output of the program")]
    NotVisible { node: usize },
    /// The data have another number of elements than the node.
    #[error("`{node}` has {wanted} elements, {given} were given")]
    Length { node: String, wanted: usize, given: usize },
    /// Outputs were asked for more often than the program was run.
    #[error("no run is pending whose outputs could be taken")]
    NothingPending,
}
