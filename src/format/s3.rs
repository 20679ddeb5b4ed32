//! S3's requests and answers as text and bytes: signatures, and what stands in the XML.

pub mod answer;
pub mod sign;
