//! Shapes and colours of the plots.

use svg::Document;
use svg::node::element::{Circle, Line, Rectangle, Text};

/// Colours that stay apart for most eyes (after Okabe and Ito), ours first.
const COLOURS: [&str; 10] = [
    "#d55e00", "#0072b2", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f7f7f", "#b8a800",
    "#8c564b", "#000000",
];

pub const GOOD: &str = "#2a9d6f";
pub const BAD: &str = "#c8413b";
pub const INK: &str = "#24292f";
pub const FAINT: &str = "#d8dee4";
pub const PALE: &str = "#57606a";

/// The colour of the engine at a place of the run's list.
pub fn colour(place: usize) -> &'static str {
    COLOURS[place % COLOURS.len()]
}

/// A picture of that size, with a white ground.
pub fn canvas(width: f64, height: f64, title: &str, below: &str) -> Document {
    Document::new()
        .set("viewBox", (0, 0, width, height))
        .set("width", width)
        .set("height", height)
        .set("font-family", "system-ui, 'DejaVu Sans', Helvetica, Arial, sans-serif")
        .add(Rectangle::new().set("width", width).set("height", height).set("fill", "#ffffff"))
        .add(words(title, 16.0, 28.0, 16.0, "start", INK).set("font-weight", 600))
        .add(words(below, 16.0, 47.0, 11.5, "start", PALE))
}

pub fn words(text: &str, x: f64, y: f64, size: f64, anchor: &str, fill: &str) -> Text {
    Text::new(text)
        .set("x", round(x))
        .set("y", round(y))
        .set("font-size", size)
        .set("text-anchor", anchor)
        .set("fill", fill)
}

pub fn line(from: (f64, f64), to: (f64, f64), colour: &str, width: f64) -> Line {
    Line::new()
        .set("x1", round(from.0))
        .set("y1", round(from.1))
        .set("x2", round(to.0))
        .set("y2", round(to.1))
        .set("stroke", colour)
        .set("stroke-width", width)
}

pub fn bar(x: f64, y: f64, width: f64, height: f64, fill: &str) -> Rectangle {
    Rectangle::new()
        .set("x", round(x))
        .set("y", round(y))
        .set("width", round(width))
        .set("height", round(height))
        .set("rx", 2)
        .set("fill", fill)
}

pub fn dot(x: f64, y: f64, radius: f64, fill: &str) -> Circle {
    Circle::new()
        .set("cx", round(x))
        .set("cy", round(y))
        .set("r", radius)
        .set("fill", fill)
        .set("stroke", "#ffffff")
        .set("stroke-width", 0.8)
}

/// Tenths are enough for a picture, and keep its file readable.
fn round(figure: f64) -> f64 {
    (figure * 10.0).round() / 10.0
}
