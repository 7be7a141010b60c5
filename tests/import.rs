//! Networks out of a wheel, against what TensorFlow reads there (`golden/musicnn.py`).

use std::collections::BTreeMap;
use std::path::Path;

use genre_recognizer::import::bundle::{Bundle, BundleError};
use genre_recognizer::import::musicnn::Convolution;
use genre_recognizer::import::settings::Preprocessing;
use genre_recognizer::import::zip::Archive;
use genre_recognizer::import::{ImportError, Imported, Wheel};
use safetensors::SafeTensors;

const WHEEL: &[u8] = include_bytes!("golden/musicnn_tiny.whl");
const NETWORK: &str = "MSD_musicnn";

fn import(wheel: &[u8]) -> Result<Imported, ImportError> {
    Wheel::read(Path::new("musicnn.whl"), wheel.to_vec())?.import(NETWORK)
}

#[test]
fn a_checkpoint_is_read_as_tensorflow_reads_it() {
    let archive = Archive::read(WHEEL.to_vec()).unwrap();
    let [index, data] = [".index", ".data-00000-of-00001"]
        .map(|file| archive.member(&format!("musicnn/{NETWORK}/{file}")).unwrap());
    let bundle = Bundle::read(&index, &data).unwrap();
    let golden = SafeTensors::deserialize(include_bytes!("golden/musicnn.safetensors")).unwrap();
    let mut wanted = BTreeMap::new();
    for (name, view) in golden.iter() {
        if let Some(name) = name.strip_prefix("variable/") {
            let values = view.data().as_chunks().0.iter().map(|&value| f32::from_le_bytes(value)).collect();
            wanted.insert(name, (view.shape().to_vec(), values));
        }
    }
    assert_eq!(wanted.len(), 64);
    for (name, tensor) in &wanted {
        assert_eq!(bundle.tensor(name).as_ref(), Ok(tensor), "{name}");
    }
    let step = BundleError::Type { name: "global_step".into(), dtype: 9 };
    assert_eq!(bundle.tensor("global_step"), Err(step));
    assert_eq!(bundle.names().count(), wanted.len() + 1);
}

#[test]
fn a_network_comes_with_all_that_it_needs() {
    let imported = import(WHEEL).unwrap();
    let front = [(8, 6, 7), (8, 11, 7), (2, 1, 128), (2, 1, 64), (2, 1, 32)];
    let convolution = |(filters, height, width)| Convolution { filters, height, width };
    assert_eq!(imported.sizes.front, front.map(convolution));
    assert_eq!(imported.sizes.middle, [(3, 1, 7); 3].map(convolution));
    assert_eq!((imported.sizes.dense, imported.sizes.tags), (4, 50));
    let preprocessing = Preprocessing { sample_rate: 16_000, n_fft: 512, hop: 256, mels: 16, frames: 20 };
    assert_eq!(imported.preprocessing, preprocessing);
    for (name, (shape, values)) in &imported.tensors {
        assert_eq!(shape.iter().product::<usize>(), values.len(), "{name}");
    }
    let shapes = [
        ("features.norm.running", &[2, 1][..]),
        ("timbral1.conv.weight", &[8, 1, 6, 7]),
        ("temporal3.conv.bias", &[2]),
        ("middle1.conv.weight", &[3, 22, 1, 7]),
        ("pooling.norm.scale_shift", &[2, 62]),
        ("dense1.weight", &[4, 62]),
        ("dense1.norm.scale_shift", &[2, 4]),
        ("head.weight", &[50, 4]),
        ("head.bias", &[50]),
    ];
    for (name, shape) in shapes {
        assert_eq!(imported.tensors[name].0, shape, "{name}");
    }
    assert_eq!((imported.tags[0], imported.tags[49]), ("rock", "happy"));
    assert_eq!(imported.source, "musicnn 0.1.0 http://github.com/jordipons/musicnn");
    assert!(
        imported.licence.starts_with("Copyright (c) Music Technology Group, Universitat Pompeu Fabra 2019")
    );
    assert!(imported.licence.contains("this permission notice appear in all copies"));
}

#[test]
fn a_damaged_wheel_gives_an_error_or_what_it_held() {
    let whole = import(WHEEL).unwrap();
    // Every byte of the table of contents; of what is packed, a few hundred, each of which is under a checksum.
    let directory = WHEEL.len() - 600;
    for at in (0..directory).step_by(41).chain(directory..WHEEL.len()) {
        let mut wheel = WHEEL.to_vec();
        wheel[at] ^= 1 << (at % 8);
        match import(&wheel) {
            Ok(found) => assert_eq!(found, whole, "byte {at}"),
            Err(error) => assert!(!error.to_string().contains(char::is_control), "byte {at}: {error:?}"),
        }
    }
    for len in (0..WHEEL.len()).step_by(97) {
        assert!(matches!(import(&WHEEL[..len]), Err(ImportError::Wheel { .. })), "{len} bytes");
    }
}

#[test]
fn what_cannot_be_imported_is_named_with_a_cure() {
    let folder = tempfile::tempdir().unwrap();
    let error = Wheel::open(folder.path()).unwrap_err();
    assert!(
        matches!(error, ImportError::File { .. }) && error.to_string().contains("it is a folder"),
        "{error}"
    );
    assert!(matches!(Wheel::open(&folder.path().join("none.whl")), Err(ImportError::Io { .. })));
    let text = folder.path().join("text.whl");
    std::fs::write(&text, "no zip").unwrap();
    let error = Wheel::open(&text).unwrap_err().to_string();
    assert!(error.contains("text.whl") && error.contains("pip download --no-deps musicnn"), "{error}");

    let whole = folder.path().join("whole.whl");
    std::fs::write(&whole, WHEEL).unwrap();
    let wheel = Wheel::open(&whole).unwrap();
    assert_eq!((wheel.networks(), wheel.others()), (vec![NETWORK], vec![]));
    let error = wheel.import("MTT_musicnn").unwrap_err().to_string();
    assert!(
        error.contains("no network `MTT_musicnn`") && error.contains("name one of MSD_musicnn"),
        "{error}"
    );

    // The same under another name, which stands in the table of contents and before every file.
    let mut renamed = WHEEL.to_vec();
    for at in 0..renamed.len() - NETWORK.len() {
        if renamed[at..].starts_with(NETWORK.as_bytes()) {
            renamed[at..at + 3].copy_from_slice(b"ABC");
        }
    }
    let wheel = Wheel::read(&whole, renamed).unwrap();
    assert_eq!((wheel.networks(), wheel.others()), (vec![], vec!["ABC_musicnn".to_string()]));
    let error = wheel.import("ABC_musicnn").unwrap_err().to_string();
    assert!(error.contains("no network `ABC_musicnn`") && error.contains("it holds none"), "{error}");
}
