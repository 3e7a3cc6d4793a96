"""report.html and the model card of a finished run. Importing is cheap: matplotlib comes when it draws."""
