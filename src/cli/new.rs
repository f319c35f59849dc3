//! `kairos new`: a journey begun from one that is in the catalogue.

use super::failure::{Failure, NOT_SO};
use super::graph::journey;
use super::output::{bold, dim, print, tell, warn};
use super::pack;
use super::packs::RETAIL;
use super::table::Table;
use crate::define::ast::{Pack, SourceFile};
use crate::define::borrow::{Borrowed, BorrowedTest, about, borrow};
use crate::define::compile::Keep;
use crate::define::definitions::compile_files;
use crate::define::files::{ReadError, read_pack};
use crate::define::plan::Plan;
use crate::sim::scenario;
use clap::Args;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const EXAMPLES: &str = "\
Examples:
  kairos new --list
  kairos new come-back --like reactivation --pack shop && kairos test shop
  kairos new come-back --like reactivation --from our-catalogue --pack shop

The journey goes into a new file with the facts, segments, events and tests that it needs and the pack does not have.
The contact policy is the pack's own. Nothing is ever overwritten.";

#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct NewArgs {
    /// What the journey is to be called, and its file
    #[arg(required_unless_present = "list")]
    journey: Option<String>,
    /// The journey of the catalogue to begin from
    #[arg(long, value_name = "NAME", required_unless_present = "list")]
    like: Option<String>,
    /// The folder of the pack, which is made if need be
    #[arg(long, value_name = "DIR", default_value = ".")]
    pack: PathBuf,
    /// Another catalogue: a folder of YAML files [default: the retail pack that the program carries along]
    #[arg(long, value_name = "DIR")]
    from: Option<PathBuf>,
    /// List the journeys of the catalogue
    #[arg(long, conflicts_with_all = ["journey", "like"])]
    list: bool,
}

/// The pack as it is, with a plan that keeps all facts.
struct There {
    files: Vec<SourceFile>,
    compiled: Option<(Pack, Arc<Plan>)>,
}

/// Begins a journey from the catalogue, or lists what there is.
pub(super) fn new(args: &NewArgs) -> Result<u8, Failure> {
    let (catalogue, _) = match &args.from {
        Some(folder) => pack::load(folder, Keep::Used)?,
        None => pack::compiled(&RETAIL.sources(), RETAIL.name, Keep::Used)?,
    };
    let (Some(name), Some(like)) = (&args.journey, &args.like) else {
        return list(&catalogue);
    };
    let path = args.pack.join(format!("{}.yaml", checked(name)?));
    let like = journey(&catalogue, like)?;
    if path.exists() {
        return Err(is_there(&path));
    }
    let there = There::of(&args.pack)?;
    if there.journeys().any(|known| known == name) {
        let failure = Failure::failed(format!("the pack has a journey {name} already"));
        return Err(failure.hint("choose another name; nothing has been written"));
    }
    let pack = there.compiled.as_ref().map(|(pack, plan)| (pack, &**plan));
    let borrowed = borrow(&catalogue, like, name, pack)
        .map_err(|refused| Failure::failed(refused.message).hint(refused.hint))?;
    let begun = Begun::of(&there, &borrowed, &like.name.node, &path)?;
    write(&args.pack, &path, &begun.text)?;
    begun.tell(args, &there, &borrowed, &path)
}

fn is_there(path: &Path) -> Failure {
    Failure::failed(format!("{} is there already", path.display()))
        .hint("choose another name; nothing has been written")
}

/// A name that a journey may have, and so a file.
fn checked(name: &str) -> Result<&str, Failure> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    match name.starts_with(|c| plain(c) && c != '-') && name.chars().all(plain) {
        true => Ok(name),
        false => Err(Failure::usage(format!("\"{name}\" is no name for a journey"))
            .hint("write a to z, 0 to 9, _ and -, such as left-cart")),
    }
}

/// The journeys of a catalogue, each with what is said of it.
fn list(catalogue: &Pack) -> Result<u8, Failure> {
    let mut journeys: Vec<_> = catalogue.journeys.iter().collect();
    journeys.sort_by(|a, b| a.name.node.cmp(&b.name.node));
    let mut table = Table::new(["journey", "what it does"]);
    for journey in journeys {
        let about = about(catalogue, journey);
        let first = about.split_once(". ").map_or(about.as_str(), |(first, _)| first);
        table.push([journey.name.node.clone(), first.trim_end_matches('.').to_owned()]);
    }
    print(table)?;
    Ok(0)
}

impl There {
    fn of(folder: &Path) -> Result<There, Failure> {
        if folder.exists() && !folder.is_dir() {
            return Err(Failure::failed(format!("{} is not a folder", folder.display())));
        }
        let files = match read_pack(folder) {
            Ok(files) => files,
            Err(ReadError::Missing(_) | ReadError::NoFiles(_)) => {
                return Ok(There { files: Vec::new(), compiled: None });
            }
            Err(error) => {
                return Err(Failure { code: NOT_SO, ..Failure::failed(error.to_string()) });
            }
        };
        let compiled = pack::compiled(&files, &folder.display().to_string(), Keep::All)?;
        Ok(There { files, compiled: Some(compiled) })
    }

    fn journeys(&self) -> impl Iterator<Item = &String> {
        self.compiled.iter().flat_map(|(pack, _)| pack.journeys.iter().map(|it| &it.name.node))
    }

    fn has_policy(&self) -> bool {
        self.compiled.as_ref().is_some_and(|(pack, _)| pack.policy.is_some())
    }

    /// The plan of the pack with one more file.
    fn with(&self, path: &Path, text: &str) -> Result<Arc<Plan>, Failure> {
        let file = SourceFile { path: path.display().to_string(), text: text.into() };
        let mut files = self.files.clone();
        files.push(file);
        match compile_files(&files, Keep::All, None) {
            Ok((_, plan)) => Ok(Arc::new(plan)),
            Err(mistakes) => {
                let failure = "the journey does not go into this pack; nothing has been written";
                Err(Failure::mistakes(format!("{failure}\n{mistakes}")))
            }
        }
    }

    /// Names of the tests of the pack that hold under a plan.
    fn holding(&self, plan: &Arc<Plan>) -> Vec<String> {
        let tests = self.compiled.iter().flat_map(|(_, own)| &own.tests);
        let holding = tests.filter(|test| scenario::run(plan, test).is_ok());
        holding.map(|test| test.name.node.clone()).collect()
    }
}

/// The file that is about to be written.
struct Begun {
    text: String,
    tests: usize,
    /// Whether they are without some of their expectations.
    mended: bool,
    /// Tests of the catalogue that do not hold in this pack.
    left_out: Vec<String>,
    /// Tests of the pack that held without the journey.
    broken: Vec<String>,
}

impl Begun {
    fn of(there: &There, borrowed: &Borrowed, like: &str, path: &Path) -> Result<Begun, Failure> {
        let plan = there.with(path, &borrowed.text(like, &[]))?;
        let before = there.compiled.as_ref().map_or(Vec::new(), |(_, plan)| there.holding(plan));
        let after = there.holding(&plan);
        let broken = before.into_iter().filter(|name| !after.contains(name)).collect();
        let trial = Trial { there, borrowed, like, path };
        let (tests, mended) = trial.holding()?;
        let kept: Vec<&BorrowedTest> = tests.iter().collect();
        let text = borrowed.text(like, &kept);
        there.with(path, &text)?;
        let is_kept = |test: &&BorrowedTest| kept.iter().any(|kept| kept.name == test.name);
        let left_out = borrowed.tests.iter().filter(|test| test.rank == 0 && !is_kept(test));
        let left_out = left_out.map(|test| test.name.clone()).collect();
        Ok(Begun { text, tests: kept.len(), mended, left_out, broken })
    }

    fn tell(
        &self,
        args: &NewArgs,
        there: &There,
        borrowed: &Borrowed,
        path: &Path,
    ) -> Result<u8, Failure> {
        let mut out = format!("wrote {}", path.display());
        let (needs, tests) = (several(borrowed.taken, "definition"), several(self.tests, "test"));
        out += &format!(": the journey, {needs} that it needs, {tests}\n");
        if self.mended {
            out += "expectations that do not hold in this pack are left out of the tests; look at them\n";
        }
        if !borrowed.there.is_empty() {
            out += &format!("in the pack already: {}\n", borrowed.there.join(", "));
        }
        if !self.left_out.is_empty() {
            let tests = self.left_out.iter().map(|name| format!("  {name}\n")).collect::<String>();
            let why = "tests of the catalogue left out, because they need more than this pack has:";
            out += &format!("{}", dim(format!("{why}\n{tests}")));
        }
        let folder = args.pack.display();
        print(format_args!("{out}\n{}\n  kairos test {folder}\n", bold("Try it:")))?;
        if !there.has_policy() {
            let missing =
                "the pack has no policy: no consent is asked for and no cap holds a message";
            tell(format_args!("{}: {missing}", warn("warning")));
        }
        for test in &self.broken {
            let broken =
                format!("with the journey, a test of the pack does not hold any more: {test}");
            tell(format_args!("{}: {broken}", warn("warning")));
        }
        Ok(0)
    }
}

/// Tests of the catalogue, tried in the pack with the journey.
struct Trial<'a> {
    there: &'a There,
    borrowed: &'a Borrowed,
    like: &'a str,
    path: &'a Path,
}

impl Trial<'_> {
    /// Tests that hold as they are, or else without the expectations that do not hold here: the nearest that there are. Tells
    /// which of both.
    fn holding(&self) -> Result<(Vec<BorrowedTest>, bool), Failure> {
        for (mends, rank) in
            [false, true].into_iter().flat_map(|mends| [0, 1, 2].map(|it| (mends, it)))
        {
            let mut found = Vec::new();
            for test in self.borrowed.tests.iter().filter(|test| test.rank == rank) {
                found.extend(self.tried(test.clone(), mends)?);
            }
            if !found.is_empty() {
                return Ok((found, mends));
            }
        }
        Ok((Vec::new(), false))
    }

    fn tried(&self, mut test: BorrowedTest, mends: bool) -> Result<Option<BorrowedTest>, Failure> {
        loop {
            let text = self.borrowed.text(self.like, &[&test]);
            let Ok(plan) = self.there.with(self.path, &text) else { return Ok(None) };
            // The pack's own tests come first.
            let Some(last) = plan.tests.last() else { return Ok(None) };
            let Err(failed) = scenario::run(&plan, last) else { return Ok(Some(test)) };
            let line = &failed.line.node;
            let is_expectation = line.trim_start().starts_with("expect ");
            let mended = (mends && is_expectation).then(|| test.without(line)).flatten();
            match mended {
                Some(mended) => test = mended,
                None => return Ok(None),
            }
        }
    }
}

fn several(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// Writes a file that is not there yet.
fn write(folder: &Path, path: &Path, text: &str) -> Result<(), Failure> {
    fs::create_dir_all(folder).map_err(|error| Failure::writing(folder.display(), &error))?;
    let mut file = fs::File::create_new(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => is_there(path),
        _ => Failure::writing(path.display(), &error),
    })?;
    file.write_all(text.as_bytes()).map_err(|error| {
        // Half a file would be in the way of the next try.
        let _ = fs::remove_file(path);
        Failure::writing(path.display(), &error)
    })
}
