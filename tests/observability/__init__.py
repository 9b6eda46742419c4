"""What operators see: metrics, the audit trail, reference codes, log lines, and the files made for dashboards."""
