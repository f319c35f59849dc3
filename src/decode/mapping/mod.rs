//! Any JSON in, Segment's envelope out, by CEL expressions that say where everything stands.
//!
//! `compile` reads the expressions once and finds every mistake in them; `value` is JSON as CEL sees it, and back. An
//! expression sees `message` (the payload), `key` (text, or null), `timestamp` (the record's, in milliseconds, or null) and
//! `headers` (names with their texts).

mod compile;
mod value;

pub use compile::Wrong;

use super::adapter::Line;
use super::values::shown;
use super::{Refused, cloud_events};
use crate::broker::Record;
use crate::event::Reason;
use cel::{Context, Env, ExecutionError, Program, Value};
use std::sync::{Arc, LazyLock};

/// What an expression may be for, and the member of the envelope that it becomes. `when` is the filter.
const FIELDS: [(&str, &str); 10] = [
    ("when", ""),
    ("type", "type"),
    ("event", "event"),
    ("user_id", "userId"),
    ("anonymous_id", "anonymousId"),
    ("message_id", "messageId"),
    ("timestamp", "timestamp"),
    ("properties", "properties"),
    ("traits", "traits"),
    ("context", "context"),
];

/// Those that are objects.
const OBJECTS: [&str; 3] = ["properties", "traits", "context"];

/// CEL's own functions, and those for texts.
static ENV: LazyLock<Arc<Env>> = LazyLock::new(|| {
    let mut env = Env::stdlib();
    env.add_extension(cel::extensions::strings).expect("nothing else is called like them");
    Arc::new(env)
});

/// Where in the messages of a topic what an event needs stands.
#[derive(Debug)]
pub struct Mapping {
    when: Option<Program>,
    fields: Vec<Field>,
    reads_headers: bool,
    /// What was written, by field.
    sources: Vec<(&'static str, String)>,
}

/// What becomes a member of the envelope.
#[derive(Debug)]
struct Field {
    name: &'static str,
    member: &'static str,
    program: Program,
    /// Whether it is no more than a place, such as `message.customer.id`, which may not be there. An expression that
    /// calculates has to say itself what may be missing, lest a lost amount goes unnoticed.
    is_place: bool,
}

impl PartialEq for Mapping {
    fn eq(&self, other: &Mapping) -> bool {
        self.sources == other.sources
    }
}

impl Mapping {
    /// The names of the fields that may be given.
    pub fn fields() -> impl Iterator<Item = &'static str> {
        FIELDS.iter().map(|(name, _)| *name)
    }

    /// Reads the expressions, given by the names of their fields.
    ///
    /// # Errors
    /// All mistakes: names that are not among [`Mapping::fields`], expressions that cannot be read, names and functions in
    /// them that are not there.
    pub fn compile(written: &[(&str, &str)]) -> Result<Mapping, Vec<Wrong>> {
        compile::mapping(written)
    }

    /// Whether an expression reads the headers.
    pub fn reads_headers(&self) -> bool {
        self.reads_headers
    }

    /// The line of a message, written into `out`.
    pub(super) fn line<'a>(
        &self,
        payload: &'a [u8],
        record: &Record<'_>,
        out: &mut Vec<u8>,
    ) -> Result<Line<'a>, Refused> {
        let text = cloud_events::text(payload)?;
        let message = value::parse(text).map_err(|error| cloud_events::said(text, &error))?;
        let context = self.context(message, record)?;
        if let Some(when) = &self.when {
            match asked("when", when, true, &context)? {
                Some(Value::Bool(true)) => {}
                None | Some(Value::Bool(false)) => return Ok(Line::PassedOver),
                Some(other) => return Err(not("when", "true or false", &other)),
            }
        }
        out.push(b'{');
        for Field { name, member, program, is_place } in &self.fields {
            let Some(value) = asked(name, program, *is_place, &context)? else {
                continue;
            };
            if OBJECTS.contains(name) && !matches!(value, Value::Map(_)) {
                return Err(not(name, "an object", &value));
            }
            if out.len() > 1 {
                out.push(b',');
            }
            cloud_events::string(out, member);
            out.push(b':');
            value::write(out, &value).map_err(|what| {
                (Reason::NotMapped, format!("`{name}` holds {what}, which JSON has not"))
            })?;
        }
        out.push(b'}');
        Ok(Line::Written)
    }

    fn context(
        &self,
        message: Value,
        record: &Record<'_>,
    ) -> Result<Context<'static, 'static>, Refused> {
        let text = |bytes: Option<&[u8]>| match bytes.map(std::str::from_utf8) {
            Some(Ok(text)) => Value::from(text),
            _ => Value::Null,
        };
        let mut context = Context::with_env(ENV.clone());
        context.add_variable_from_value("message", message);
        context.add_variable_from_value("key", text(record.key));
        context
            .add_variable_from_value("timestamp", record.timestamp.map_or(Value::Null, Value::Int));
        if self.reads_headers {
            let mut headers = Vec::with_capacity(record.headers.len());
            for (name, value) in record.headers {
                let name = std::str::from_utf8(name)
                    .map_err(|_| (Reason::NotUtf8, "in the name of a header".to_owned()))?;
                headers.push((name, text(*value)));
            }
            context.add_variable_from_value("headers", value::map(headers));
        }
        Ok(context)
    }
}

/// The value of an expression; nothing if there is none, or if what it needs is not there and `may_miss` it.
fn asked(
    field: &str,
    program: &Program,
    may_miss: bool,
    context: &Context<'_, '_>,
) -> Result<Option<Value>, Refused> {
    match program.execute(context) {
        Ok(value) => Ok(value::present(value)),
        Err(ExecutionError::NoSuchKey(_) | ExecutionError::IndexOutOfBounds(_)) if may_miss => {
            Ok(None)
        }
        Err(ExecutionError::NoSuchKey(name)) => {
            Err((Reason::NotMapped, format!("`{field}`: there is no `{}`", shown(&name))))
        }
        Err(error) => Err((Reason::NotMapped, format!("`{field}`: {}", shown(&error.to_string())))),
    }
}

fn not(field: &str, wanted: &str, found: &Value) -> Refused {
    (Reason::NotMapped, format!("`{field}` is not {wanted} but {}", found.type_of()))
}

#[cfg(test)]
mod tests;
