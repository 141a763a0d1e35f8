"""From metrics.json files to tables, figures and one Markdown page. No torch."""
