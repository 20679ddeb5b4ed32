//! A raw HTTP server on 127.0.0.1 whose every byte a test decides: one thread for each connection, nothing parsed but the
//! end of the request's header.
#![allow(dead_code)]

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// What a connection is to its handler.
pub struct Visit {
    /// The request's header, whole.
    pub request: String,
    /// From 0, over all connections.
    pub number: usize,
    pub socket: TcpStream,
    tls: Option<Box<StreamOwned<ServerConnection, TcpStream>>>,
}

impl Visit {
    pub fn path(&self) -> &str {
        self.request.split(' ').nth(1).unwrap_or_default()
    }

    /// Whoever has hung up ends the handler's thread by an error that nobody minds.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        match &mut self.tls {
            None => self.socket.write_all(bytes.as_ref()),
            Some(tls) => {
                tls.write_all(bytes.as_ref())?;
                tls.flush()
            }
        }
    }

    pub fn send_slowly(&mut self, bytes: impl AsRef<[u8]>, pause: Duration) -> io::Result<()> {
        for byte in bytes.as_ref() {
            self.send([*byte])?;
            thread::sleep(pause);
        }
        Ok(())
    }

    /// Says nothing until the client has gone.
    pub fn stall(&mut self) -> io::Result<()> {
        let mut rest = [0; 256];
        while self.socket.read(&mut rest)? > 0 {}
        Ok(())
    }

    /// Ends the connection with RST instead of FIN.
    pub fn reset(self) -> io::Result<()> {
        rustix::net::sockopt::set_socket_linger(&self.socket, Some(Duration::ZERO))?;
        Err(io::ErrorKind::ConnectionReset.into()) // so that no FIN is sent before
    }
}

/// A server for the length of a test; its threads end with the process.
pub struct Web {
    pub port: u16,
    /// The header of every request so far.
    pub requests: Arc<Mutex<Vec<String>>>,
}

impl Web {
    pub fn serve(handler: impl Fn(Visit) -> io::Result<()> + Send + Sync + 'static) -> Web {
        Web::start(None, handler)
    }

    pub fn serve_tls(cert: &Cert, handler: impl Fn(Visit) -> io::Result<()> + Send + Sync + 'static) -> Web {
        Web::start(Some(cert.server()), handler)
    }

    /// The same answer to everybody.
    pub fn answer(bytes: impl Into<Vec<u8>>) -> Web {
        let bytes = bytes.into();
        Web::serve(move |mut visit| visit.send(&bytes))
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    pub fn https(&self, host: &str, path: &str) -> String {
        format!("https://{host}:{}{path}", self.port)
    }

    fn start(tls: Option<Arc<ServerConfig>>, handler: impl Fn(Visit) -> io::Result<()> + Send + Sync + 'static) -> Web {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let requests: Arc<Mutex<Vec<String>>> = Arc::default();
        let (heard, handler) = (Arc::clone(&requests), Arc::new(handler));
        thread::spawn(move || {
            for (number, socket) in listener.incoming().flatten().enumerate() {
                let (heard, handler, tls) = (Arc::clone(&heard), Arc::clone(&handler), tls.clone());
                thread::spawn(move || -> io::Result<()> {
                    socket.set_nodelay(true)?;
                    let mut tls = match tls {
                        None => None,
                        Some(config) => {
                            let connection = ServerConnection::new(config).map_err(io::Error::other)?;
                            Some(Box::new(StreamOwned::new(connection, socket.try_clone()?)))
                        }
                    };
                    let request = match &mut tls {
                        None => header(&mut &socket)?,
                        Some(tls) => header(tls)?,
                    };
                    heard.lock().expect("no panic holds it").push(request.clone());
                    let end = socket.try_clone()?;
                    handler(Visit { request, number, socket, tls })?;
                    let _ = end.shutdown(Shutdown::Write);
                    Ok(())
                });
            }
        });
        Web { port, requests }
    }
}

fn header(from: &mut impl Read) -> io::Result<String> {
    let mut bytes = Vec::new();
    let mut byte = [0];
    while !bytes.ends_with(b"\r\n\r\n") {
        if from.read(&mut byte)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        bytes.push(byte[0]);
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// A certificate made by openssl, with its key and its authority.
pub struct Cert {
    pub ca_file: std::path::PathBuf,
    chain: Vec<u8>,
    key: Vec<u8>,
}

impl Cert {
    /// For `names` in openssl's words ("DNS:localhost,IP:127.0.0.1"), from `days` (may be negative) counted from now.
    pub fn new(folder: &Path, name: &str, names: &str, days: i32) -> Cert {
        let at = |file: &str| folder.join(format!("{name}-{file}"));
        let path = |file: &str| at(file).to_str().expect("UTF-8").to_owned();
        std::fs::write(at("ext"), format!("subjectAltName={names}\nbasicConstraints=CA:FALSE\n")).expect("writable");
        let (ca, ca_key, key, request, cert) = (path("ca.pem"), path("ca.key"), path("key"), path("csr"), path("pem"));
        let ec = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
        let days = days.to_string();
        openssl(
            &[&["req", "-x509"], &ec[..], &["-keyout", &ca_key, "-out", &ca, "-subj", "/CN=test authority", "-days", "2"]]
                .concat(),
        );
        openssl(&[&["req"], &ec[..], &["-keyout", &key, "-out", &request, "-subj", "/CN=test"]].concat());
        openssl(&[
            "x509",
            "-req",
            "-in",
            &request,
            "-CA",
            &ca,
            "-CAkey",
            &ca_key,
            "-set_serial",
            "7",
            "-days",
            &days,
            "-extfile",
            &path("ext"),
            "-out",
            &cert,
        ]);
        let read = |file: &str| std::fs::read(file).expect("made by openssl");
        Cert { ca_file: at("ca.pem"), chain: read(&cert), key: read(&key) }
    }

    fn server(&self) -> Arc<ServerConfig> {
        let chain = CertificateDer::pem_slice_iter(&self.chain).map(|cert| cert.expect("PEM")).collect();
        let key = PrivateKeyDer::from_pem_slice(&self.key).expect("a key");
        let ring = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(ring).with_safe_default_protocol_versions().expect("versions");
        Arc::new(builder.with_no_client_auth().with_single_cert(chain, key).expect("a pair"))
    }
}

fn openssl(arguments: &[&str]) {
    let mut command = Command::new("openssl");
    let output = command.args(arguments).stdin(Stdio::null()).output().expect("openssl is installed");
    assert!(output.status.success(), "openssl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}
