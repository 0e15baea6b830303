//! Tunnels through a proxy (`CONNECT`) with one time limit until they are open. ureq gives each read
//! of the proxy's answer the whole limit again, so a proxy that sends its answer byte by byte could
//! hold the sender for hours.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use ureq::unversioned::transport::{
    Buffers, ConnectProxyConnector, ConnectionDetails, Connector, NextTimeout, Transport,
};

use crate::http::tcp::time_left;

/// Opens a tunnel if the request goes through a proxy.
#[derive(Debug, Default)]
pub(super) struct TunnelConnector(ConnectProxyConnector);

impl<In: Transport> Connector<In> for TunnelConnector {
    type Out = <ConnectProxyConnector as Connector<In>>::Out;

    fn connect(
        &self,
        details: &ConnectionDetails,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, ureq::Error> {
        let until = Instant::now() + time_left(details);
        let is_open = Arc::new(AtomicBool::new(false));
        let (connect, opened) = (Arc::clone(&details.run_connector), Arc::clone(&is_open));
        let to_proxy = move |details: &ConnectionDetails| -> Result<Box<dyn Transport>, _> {
            Ok(Box::new(Opening {
                inner: connect(details)?,
                until,
                is_open: Arc::clone(&opened),
            }))
        };
        let details = ConnectionDetails {
            uri: details.uri,
            addrs: details.addrs.clone(),
            config: details.config,
            request_level: details.request_level,
            resolver: details.resolver,
            now: details.now,
            timeout: details.timeout,
            current_time: Arc::clone(&details.current_time),
            run_connector: Arc::new(to_proxy),
            register_shutdown: Arc::clone(&details.register_shutdown),
        };
        let tunnel = self.0.connect(&details, chained)?;
        is_open.store(true, Ordering::Relaxed);
        Ok(tunnel)
    }
}

/// The connection to a proxy, which takes no time beyond `until` while the tunnel is not open.
#[derive(Debug)]
struct Opening {
    inner: Box<dyn Transport>,
    until: Instant,
    is_open: Arc<AtomicBool>,
}

impl Opening {
    fn within(&self, timeout: NextTimeout) -> NextTimeout {
        if self.is_open.load(Ordering::Relaxed) {
            return timeout;
        }
        let left = self.until.saturating_duration_since(Instant::now());
        NextTimeout {
            after: (*timeout.after).min(left).into(),
            ..timeout
        }
    }
}

impl Transport for Opening {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.inner.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        self.inner.transmit_output(amount, self.within(timeout))
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        self.inner.await_input(self.within(timeout))
    }

    fn is_open(&mut self) -> bool {
        self.inner.is_open()
    }

    fn is_tls(&self) -> bool {
        self.inner.is_tls()
    }
}
