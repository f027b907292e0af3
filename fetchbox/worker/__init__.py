"""From task to object: plan, download, report. Knows neither S3 nor the HTTP client."""
