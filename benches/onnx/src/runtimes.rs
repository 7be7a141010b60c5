//! The runtimes.

use std::path::Path;

use genre_recognizer::model::Model;
use rten::ValueOrView;
use rten_tensor::NdTensor;
use rten_tensor::prelude::*;
use tract_linalg::multithread::{Executor, set_default_executor};
use tract_onnx::prelude::*;

use super::{Ours, Outcome, Runtime};

/// A model of the folder in a runtime, for batches of this shape.
pub fn open(name: &str, frontend: &str, folder: &Path, shape: &[usize], threads: usize) -> Outcome<Runtime> {
    let file = folder.join(frontend).with_extension("onnx");
    match name {
        // The number of its threads is that of rayon, RAYON_NUM_THREADS.
        "ours" => ours(&folder.join("model.safetensors"), shape[0]),
        // RTEN_NUM_THREADS
        "rten" => rten(&file),
        "tract" => tract(&file, shape, threads),
        other => Err(format!("there is no runtime {other}").into()),
    }
}

fn ours(model: &Path, batch: usize) -> Outcome<Runtime> {
    let mut ours = Ours::new(&Model::load(model)?, batch, &|net| vec![net.probabilities])?;
    Ok(Box::new(move |_, values| Ok(ours.run(values)?.swap_remove(0))))
}

fn rten(file: &Path) -> Outcome<Runtime> {
    let model = rten::Model::load_file(file)?;
    Ok(Box::new(move |shape, values| {
        let tensor = rten_tensor::TensorView::from_data(shape, values);
        let output: NdTensor<f32, 2> = model.run_one(ValueOrView::from(tensor), None)?.try_into()?;
        Ok(output.to_vec())
    }))
}

fn tract(file: &Path, shape: &[usize], threads: usize) -> Outcome<Runtime> {
    set_default_executor(Executor::multithread(threads));
    let plan = tract_onnx::onnx()
        .model_for_path(file)?
        .with_input_fact(0, InferenceFact::dt_shape(f32::datum_type(), shape))?
        .into_optimized()?
        .into_runnable()?;
    Ok(Box::new(move |shape, values| {
        let tensor = Tensor::from_shape(shape, values)?;
        let output = plan.run(tvec!(tensor.into()))?;
        Ok(output[0].to_plain_array_view::<f32>()?.iter().copied().collect())
    }))
}
