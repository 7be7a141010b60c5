//! Which part of a library a machine hears.

use super::plan::Shard;

impl std::str::FromStr for Shard {
    type Err = String;

    /// From `3/8`.
    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('/').map(|(number, of)| (number.parse().ok(), of.parse().ok()));
        match parts {
            Some((Some(number), Some(of))) if (1..=of).contains(&number) => Ok(Self { number, of }),
            _ => Err(format!("\"{text}\" is no part such as 3/8, counted from 1")),
        }
    }
}

/// The part that a scheduler gives this process by its environment: Slurm's job arrays, Kubernetes' indexed jobs (which do
/// not say how many there are: `count`), AWS Batch's array jobs.
///
/// # Errors
/// What is missing or wrong.
pub fn from_environment(
    variable: impl Fn(&str) -> Option<String>,
    count: Option<usize>,
) -> Result<Shard, String> {
    let number = |name: &str| match variable(name) {
        None => Ok(None),
        Some(text) => match text.trim().parse::<usize>() {
            Ok(number) => Ok(Some(number)),
            Err(_) => Err(format!("{name} is \"{text}\", which is no number")),
        },
    };
    let shard = |index: usize, of: usize| match index < of {
        true => Ok(Shard { number: index + 1, of }),
        false => Err(format!("this is part {} of {of}: there is no such part", index + 1)),
    };
    if let Some(id) = number("SLURM_ARRAY_TASK_ID")? {
        let of = number("SLURM_ARRAY_TASK_COUNT")?.or(count);
        let of = of.ok_or("SLURM_ARRAY_TASK_COUNT is not set; give the number of parts with --shards")?;
        let (least, step) = (number("SLURM_ARRAY_TASK_MIN")?, number("SLURM_ARRAY_TASK_STEP")?);
        let least = least.ok_or("SLURM_ARRAY_TASK_MIN is not set")?;
        let step = step.unwrap_or(1).max(1);
        let offset = id.checked_sub(least).filter(|offset| offset.is_multiple_of(step));
        let offset = offset.ok_or(format!("task {id} is none of those from {least} in steps of {step}"))?;
        return shard(offset / step, of);
    }
    if let Some(index) = number("AWS_BATCH_JOB_ARRAY_INDEX")? {
        let of = number("AWS_BATCH_JOB_ARRAY_SIZE")?.or(count);
        return shard(
            index,
            of.ok_or("AWS_BATCH_JOB_ARRAY_SIZE is not set; give the number of parts with --shards")?,
        );
    }
    if let Some(index) = number("JOB_COMPLETION_INDEX")? {
        return shard(
            index,
            count.ok_or("Kubernetes does not say how many parts there are; give it with --shards")?,
        );
    }
    Err("no scheduler says which part this is (Slurm's, Kubernetes' or AWS Batch's variables); give it as --shard 3/8".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)], count: Option<usize>) -> Result<(usize, usize), String> {
        let variable = |name: &str| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        };
        from_environment(variable, count).map(|shard| (shard.number, shard.of))
    }

    #[test]
    fn schedulers_say_which_part_it_is() {
        let slurm = |id, least, step, count| {
            read(
                &[
                    ("SLURM_ARRAY_TASK_ID", id),
                    ("SLURM_ARRAY_TASK_MIN", least),
                    ("SLURM_ARRAY_TASK_STEP", step),
                    ("SLURM_ARRAY_TASK_COUNT", count),
                ],
                None,
            )
        };
        assert_eq!(slurm("0", "0", "1", "8"), Ok((1, 8)));
        assert_eq!(slurm("8", "1", "1", "8"), Ok((8, 8)));
        assert_eq!(slurm("11", "5", "3", "4"), Ok((3, 4)));
        assert!(slurm("12", "5", "3", "4").is_err() && slurm("9", "1", "1", "8").is_err());
        assert!(slurm("x", "1", "1", "8").is_err());
        assert_eq!(read(&[("JOB_COMPLETION_INDEX", "7")], Some(8)), Ok((8, 8)));
        assert!(read(&[("JOB_COMPLETION_INDEX", "7")], None).unwrap_err().contains("--shards"));
        assert!(read(&[("JOB_COMPLETION_INDEX", "8")], Some(8)).is_err());
        let aws = [("AWS_BATCH_JOB_ARRAY_INDEX", "2"), ("AWS_BATCH_JOB_ARRAY_SIZE", "3")];
        assert_eq!(read(&aws, None), Ok((3, 3)));
        assert!(read(&[], Some(3)).is_err());
        assert_eq!("3/8".parse(), Ok(Shard { number: 3, of: 8 }));
        for wrong in ["0/8", "9/8", "3", "3/", "a/b", "3/8/1"] {
            assert!(wrong.parse::<Shard>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn every_file_is_in_one_part() {
        for of in [1, 3, 8] {
            let mut counts = vec![0; of];
            for file in 0..1000 {
                let name = format!("artist/song {file}.mp3");
                let parts: Vec<_> = (1..=of).filter(|&number| Shard { number, of }.has(&name)).collect();
                assert_eq!(parts.len(), 1);
                counts[parts[0] - 1] += 1;
            }
            assert!(counts.iter().all(|&count| count > 1000 / of * 7 / 10), "{counts:?}");
        }
    }
}
