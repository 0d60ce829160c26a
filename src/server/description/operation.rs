//! One operation: a method at a path, what it takes, and all that it may answer.

use axum::http::StatusCode;
use axum::routing::MethodFilter;
use schemars::{JsonSchema, Schema, SchemaGenerator};

use crate::protocol::error::ErrorBody;
use crate::protocol::permission::Permission;

/// Makes a schema, and those that it refers to.
pub(super) type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

/// JSON, as bodies mostly are.
pub(in crate::server) const JSON: &str = "application/json";

/// The methods that operations have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Get,
    Post,
    Put,
    Patch,
    Delete,
}

impl Verb {
    /// The member of a path item.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Post => "post",
            Self::Put => "put",
            Self::Patch => "patch",
            Self::Delete => "delete",
        }
    }

    pub(super) fn filter(self) -> MethodFilter {
        match self {
            Self::Get => MethodFilter::GET,
            Self::Post => MethodFilter::POST,
            Self::Put => MethodFilter::PUT,
            Self::Patch => MethodFilter::PATCH,
            Self::Delete => MethodFilter::DELETE,
        }
    }
}

/// What a request has to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Shows {
    /// Nothing.
    Nothing,
    /// An API key that allows this.
    Key(Permission),
    /// Such a key, or nothing: it says more to whoever shows one.
    PerhapsKey(Permission),
    /// What the kind of sender has, by the names of schemes in the document: one of them.
    Schemes(Vec<&'static str>),
}

/// Where a parameter stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Path,
    Query,
    Header,
}

pub(super) struct Parameter {
    pub(super) name: &'static str,
    pub(super) place: Place,
    pub(super) about: &'static str,
    pub(super) schema: SchemaOf,
    pub(super) is_required: bool,
    /// Given several times it means several values, so many at most.
    pub(super) max_values: Option<usize>,
}

#[derive(Clone, Copy)]
pub(super) struct Content {
    pub(super) media_type: &'static str,
    pub(super) schema: SchemaOf,
}

#[derive(Clone, Copy)]
pub(super) struct Given {
    pub(super) status: StatusCode,
    pub(super) about: &'static str,
    pub(super) content: Option<Content>,
}

/// A method at a path.
#[must_use]
pub(in crate::server) struct Operation {
    pub(super) method: Verb,
    pub(super) path: String,
    pub(super) id: &'static str,
    pub(super) about: &'static str,
    pub(super) tag: &'static str,
    pub(super) shows: Shows,
    /// What an API key has to allow that is shown in one of the schemes.
    pub(super) allowed: Option<Permission>,
    pub(super) parameters: Vec<Parameter>,
    pub(super) body: Vec<Content>,
    pub(super) is_body_optional: bool,
    pub(super) given: Vec<Given>,
    /// What refusals look like.
    pub(super) refusal: SchemaOf,
}

/// The schema of a type.
pub(in crate::server) fn described<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

impl Operation {
    fn new(method: Verb, path: &str, id: &'static str, about: &'static str) -> Self {
        Self {
            method,
            path: path.to_owned(),
            id,
            about,
            tag: "server",
            shows: Shows::Nothing,
            allowed: None,
            parameters: Vec::new(),
            body: Vec::new(),
            is_body_optional: false,
            given: Vec::new(),
            refusal: described::<ErrorBody>,
        }
    }

    /// `GET`. The id is what generated clients call it; `about` is a sentence.
    pub(in crate::server) fn get(path: &str, id: &'static str, about: &'static str) -> Self {
        Self::new(Verb::Get, path, id, about)
    }

    /// `POST`.
    pub(in crate::server) fn post(path: &str, id: &'static str, about: &'static str) -> Self {
        Self::new(Verb::Post, path, id, about)
    }

    /// `PUT`.
    pub(in crate::server) fn put(path: &str, id: &'static str, about: &'static str) -> Self {
        Self::new(Verb::Put, path, id, about)
    }

    /// `PATCH`.
    pub(in crate::server) fn patch(path: &str, id: &'static str, about: &'static str) -> Self {
        Self::new(Verb::Patch, path, id, about)
    }

    /// `DELETE`.
    pub(in crate::server) fn delete(path: &str, id: &'static str, about: &'static str) -> Self {
        Self::new(Verb::Delete, path, id, about)
    }

    /// The group that it belongs to.
    pub(in crate::server) fn under(mut self, tag: &'static str) -> Self {
        self.tag = tag;
        self
    }

    /// Needs an API key that allows this.
    pub(in crate::server) fn needs(mut self, permission: Permission) -> Self {
        self.shows = Shows::Key(permission);
        self
    }

    /// Says more to whoever shows an API key that allows this.
    pub(in crate::server) fn knows(mut self, permission: Permission) -> Self {
        self.shows = Shows::PerhapsKey(permission);
        self
    }

    /// Needs what one of the document's schemes says; several of these are alternatives.
    pub(in crate::server) fn shown(mut self, scheme: &'static str) -> Self {
        match &mut self.shows {
            Shows::Schemes(schemes) => schemes.push(scheme),
            _ => self.shows = Shows::Schemes(vec![scheme]),
        }
        self
    }

    /// An API key that is shown in one of those schemes has to allow this.
    pub(in crate::server) fn allowing(mut self, permission: Permission) -> Self {
        self.allowed = Some(permission);
        self
    }

    fn parameter(
        mut self,
        place: Place,
        name: &'static str,
        about: &'static str,
        schema: SchemaOf,
    ) -> Self {
        self.parameters.push(Parameter {
            name,
            place,
            about,
            schema,
            is_required: place == Place::Path,
            max_values: None,
        });
        self
    }

    /// The parameter that was named last must be given.
    pub(in crate::server) fn required(mut self) -> Self {
        if let Some(last) = self.parameters.last_mut() {
            last.is_required = true;
        }
        self
    }

    /// A part of the path, by the name that it has there.
    pub(in crate::server) fn part<T: JsonSchema>(
        self,
        name: &'static str,
        about: &'static str,
    ) -> Self {
        self.parameter(Place::Path, name, about, described::<T>)
    }

    /// A parameter of the query, which may be left out.
    pub(in crate::server) fn query<T: JsonSchema>(
        self,
        name: &'static str,
        about: &'static str,
    ) -> Self {
        self.parameter(Place::Query, name, about, described::<T>)
    }

    /// A parameter of the query that may be given so many times.
    pub(in crate::server) fn queries<T: JsonSchema>(
        self,
        name: &'static str,
        about: &'static str,
        max: usize,
    ) -> Self {
        let mut this = self.parameter(Place::Query, name, about, described::<T>);
        if let Some(last) = this.parameters.last_mut() {
            last.max_values = Some(max);
        }
        this
    }

    /// A header, which may be left out.
    pub(in crate::server) fn header<T: JsonSchema>(
        self,
        name: &'static str,
        about: &'static str,
    ) -> Self {
        self.parameter(Place::Header, name, about, described::<T>)
    }

    /// Takes a body of JSON.
    pub(in crate::server) fn takes<T: JsonSchema>(self) -> Self {
        self.takes_as(JSON, described::<T>)
    }

    /// Takes a body of some type; several of these are alternatives.
    pub(in crate::server) fn takes_as(
        mut self,
        media_type: &'static str,
        schema: SchemaOf,
    ) -> Self {
        self.body.push(Content { media_type, schema });
        self
    }

    /// The body may be left out.
    pub(in crate::server) fn or_nothing(mut self) -> Self {
        self.is_body_optional = true;
        self
    }

    /// Answers with JSON. What is given with one status is one of several things.
    pub(in crate::server) fn gives<T: JsonSchema>(
        self,
        status: StatusCode,
        about: &'static str,
    ) -> Self {
        self.gives_as(status, about, described::<T>)
    }

    /// Answers with JSON that has no type here.
    pub(in crate::server) fn gives_as(
        self,
        status: StatusCode,
        about: &'static str,
        schema: SchemaOf,
    ) -> Self {
        self.gives_content(status, about, JSON, schema)
    }

    /// Answers with something of another media type.
    pub(in crate::server) fn gives_content(
        mut self,
        status: StatusCode,
        about: &'static str,
        media_type: &'static str,
        schema: SchemaOf,
    ) -> Self {
        let content = Some(Content { media_type, schema });
        self.given.push(Given {
            status,
            about,
            content,
        });
        self
    }

    /// Answers with a status alone.
    pub(in crate::server) fn gives_nothing(
        mut self,
        status: StatusCode,
        about: &'static str,
    ) -> Self {
        self.given.push(Given {
            status,
            about,
            content: None,
        });
        self
    }

    /// May refuse for a reason of its own, beside those that come with a key, a body or any request.
    pub(in crate::server) fn refuses(mut self, status: StatusCode, about: &'static str) -> Self {
        let content = Some(Content {
            media_type: JSON,
            schema: self.refusal,
        });
        self.given.push(Given {
            status,
            about,
            content,
        });
        self
    }

    /// Refuses in another form. To be said before its refusals.
    pub(in crate::server) fn refuses_as(mut self, schema: SchemaOf) -> Self {
        self.refusal = schema;
        self
    }

    /// All that it may answer: what it gives, and what any such request may be told.
    pub(super) fn answers(&self) -> Vec<Given> {
        let mut answers = self.given.clone();
        let mut common: Vec<(StatusCode, &'static str)> = vec![
            (
                StatusCode::INTERNAL_SERVER_ERROR,
                "A fault of the server; its id is in the log.",
            ),
            (
                StatusCode::SERVICE_UNAVAILABLE,
                "The server cannot do it now: `Retry-After` says when to ask again.",
            ),
        ];
        if self.shows != Shows::Nothing {
            common.extend([
                (StatusCode::UNAUTHORIZED, "No credentials, or none that work."),
                (StatusCode::FORBIDDEN, "The credentials are fine, and do not allow this."),
                (StatusCode::TOO_MANY_REQUESTS, "Too many, or too many wrong credentials: `Retry-After` says when to ask again."),
            ]);
        }
        let is_read = !self.parameters.is_empty() || !self.body.is_empty();
        if is_read || matches!(self.shows, Shows::Key(_)) {
            common.push((
                StatusCode::BAD_REQUEST,
                "Something in the request cannot be read; the text says what.",
            ));
        }
        if !self.body.is_empty() {
            common.extend([
                (
                    StatusCode::REQUEST_TIMEOUT,
                    "The body did not arrive in time.",
                ),
                (
                    StatusCode::PAYLOAD_TOO_LARGE,
                    "The body is larger than allowed.",
                ),
                (
                    StatusCode::UNSUPPORTED_MEDIA_TYPE,
                    "The body has a type or an encoding that is not read here.",
                ),
            ]);
        }
        for (status, about) in common {
            if answers.iter().all(|answer| answer.status != status) {
                let content = Some(Content {
                    media_type: JSON,
                    schema: self.refusal,
                });
                answers.push(Given {
                    status,
                    about,
                    content,
                });
            }
        }
        answers.sort_by_key(|answer| answer.status);
        answers
    }
}
