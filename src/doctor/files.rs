//! Certificates that frontends use.

use super::facts::Facts;
use super::{Report, Severity};

/// Warned of before the end of a certificate: two weeks, when a renewal by ACME has failed for two.
const SOON_SECS: i64 = 14 * 86_400;

pub(super) fn examine(facts: &Facts, report: &mut Report) {
    let now = i64::try_from(facts.unix_time).unwrap_or(i64::MAX);
    for (file, certificates) in &facts.certificates {
        let Some(certificates) = report.take(&format!("certificates of {file}"), certificates) else { continue };
        if certificates.is_empty() {
            report.find(
                Severity::Warning,
                "certificate-unreadable",
                format!("{file} holds no certificate that could be read"),
                "the proxy refuses its configuration when it finds none",
                format!("look at it: openssl x509 -in {file} -noout -text"),
            );
        }
        for certificate in certificates {
            let left = certificate.not_after.saturating_sub(now);
            let subject = &certificate.subject;
            let days = match left.unsigned_abs() / 86_400 {
                1 => "1 day".to_owned(),
                days => format!("{days} days"),
            };
            let fix = format!("renew {file}; vipkeeper sees the new one by itself");
            if left < 0 {
                report.find(
                    Severity::Error,
                    "certificate-expired",
                    format!("the certificate of {subject} in {file} expired {days} ago"),
                    "clients refuse the connection",
                    fix,
                );
            } else if left < SOON_SECS {
                report.find(
                    Severity::Warning,
                    "certificate-expires-soon",
                    format!("the certificate of {subject} in {file} expires in {days}"),
                    "clients will refuse the connection then",
                    fix,
                );
            }
        }
    }
}
