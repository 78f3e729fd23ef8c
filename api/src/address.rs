//! Where a request comes from.

use std::net::IpAddr;

use actix_web::HttpRequest;

/// The client's address. Each proxy appends to `X-Forwarded-For` whom it heard; what stands before
/// the entries of our own proxies, anybody could have written.
pub(crate) fn of(request: &HttpRequest, proxies: usize) -> Option<IpAddr> {
    let peer = request.peer_addr().map(|peer| peer.ip());
    let Some(from_the_end) = proxies.checked_sub(1) else { return peer };
    let told = request.headers().get_all("x-forwarded-for");
    let told: Vec<&str> =
        told.filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(',')).collect();
    let entry = told.iter().rev().nth(from_the_end).map(|entry| entry.trim());
    entry.and_then(|entry| entry.parse().ok()).or(peer)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn only_our_own_proxies_are_believed() {
        let peer = "10.0.0.1:5000".parse().unwrap();
        let request = TestRequest::default()
            .peer_addr(peer)
            .insert_header(("x-forwarded-for", "6.6.6.6, 192.0.2.7"))
            .append_header(("x-forwarded-for", "10.0.0.9"))
            .to_http_request();
        let from = |proxies| of(&request, proxies).unwrap().to_string();
        assert_eq!(from(0), "10.0.0.1");
        assert_eq!(from(1), "10.0.0.9");
        assert_eq!(from(2), "192.0.2.7");
        assert_eq!(from(4), "10.0.0.1", "fewer proxies spoke than there are");
    }
}
