//! Faults that a test orders: what goes wrong, with which requests, and how often.

use serde_json::{Map, Value};

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// All sessions have ended: 401.
    ExpireSession,
    /// The allowance of requests is used up: 403.
    RequestLimit,
    /// 503 with a page of HTML, asking for a pause of so many seconds if any.
    Unavailable(Option<u64>),
    /// 500 with a JSON body.
    ServerError,
    /// Another transaction holds the row.
    RowLocked,
    /// The record is locked by an approval process.
    EntityLocked,
    /// The request takes effect, and the connection ends without an answer.
    LoseAnswer,
    /// The request takes effect, and the answer is a gateway's 502.
    BadGateway,
    /// The connection ends before anything is done.
    Disconnect,
    /// The JSON ends in the middle, in a body of the announced length.
    TruncatedJson,
    /// The body ends before its announced length.
    CutBody,
    /// A byte of the answer each 50 ms.
    Drip,
    /// A body without end.
    Endless,
    /// A login page with status 200.
    HtmlOk,
    /// A redirect to another host.
    Redirect,
    /// The page that follows is the one that was just given.
    RepeatPage,
    /// The page that follows is not there any more.
    LosePage,
    /// A person changes these fields of the object's record just before.
    EditFirst {
        /// The object.
        object: String,
        /// The record.
        id: String,
        /// The new values.
        fields: Map<String, Value>,
    },
    /// This status and body.
    Answer(u16, String),
}

/// Which requests are concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum On {
    /// Every call of the API.
    AnyCall,
    /// The token endpoint.
    Login,
    /// The first page of a query.
    Query,
    /// Any further page.
    NextPage,
    /// Reading one record.
    Get,
    /// Changing one record.
    Update,
    /// Describing an object.
    Describe,
}

/// A fault that is ordered.
#[derive(Debug, Clone)]
pub(crate) struct Ordered {
    pub(crate) fault: Fault,
    pub(crate) on: On,
    /// So many matching requests pass before.
    pub(crate) skip: u32,
    /// So many are hit then.
    pub(crate) times: u32,
}

impl Ordered {
    /// Reads `{"fault": "lose-answer", "on": "update", "skip": 0, "times": 1}`.
    pub(crate) fn from_json(order: &Value) -> Result<Self, String> {
        let number = |name: &str, default: u64| order.get(name).map_or(Some(default), Value::as_u64);
        let fault = match order["fault"].as_str().unwrap_or_default() {
            "expire-session" => Fault::ExpireSession,
            "request-limit" => Fault::RequestLimit,
            "unavailable" => Fault::Unavailable(order.get("retry_after").and_then(Value::as_u64)),
            "server-error" => Fault::ServerError,
            "row-locked" => Fault::RowLocked,
            "entity-locked" => Fault::EntityLocked,
            "lose-answer" => Fault::LoseAnswer,
            "bad-gateway" => Fault::BadGateway,
            "disconnect" => Fault::Disconnect,
            "truncated-json" => Fault::TruncatedJson,
            "cut-body" => Fault::CutBody,
            "drip" => Fault::Drip,
            "endless" => Fault::Endless,
            "html-ok" => Fault::HtmlOk,
            "redirect" => Fault::Redirect,
            "repeat-page" => Fault::RepeatPage,
            "lose-page" => Fault::LosePage,
            other => return Err(format!("no such fault: {other}")),
        };
        let on = match order["on"].as_str().unwrap_or("any-call") {
            "any-call" => On::AnyCall,
            "login" => On::Login,
            "query" => On::Query,
            "next-page" => On::NextPage,
            "get" => On::Get,
            "update" => On::Update,
            "describe" => On::Describe,
            other => return Err(format!("no such requests: {other}")),
        };
        let (Some(skip), Some(times)) = (number("skip", 0), number("times", 1)) else {
            return Err("skip and times are numbers".into());
        };
        Ok(Self { fault, on, skip: skip as u32, times: times as u32 })
    }
}

/// Takes the fault that hits a request of this kind, if one is due.
pub(crate) fn due(ordered: &mut Vec<Ordered>, kind: On) -> Option<Fault> {
    let matches = |order: &Ordered| order.on == kind || (order.on == On::AnyCall && kind != On::Login);
    let at = ordered.iter().position(matches)?;
    let order = &mut ordered[at];
    if order.skip > 0 {
        order.skip -= 1;
        return None;
    }
    let fault = order.fault.clone();
    order.times = order.times.saturating_sub(1);
    if order.times == 0 {
        ordered.remove(at);
    }
    Some(fault)
}
