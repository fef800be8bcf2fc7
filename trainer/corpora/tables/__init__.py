"""Rating tables: CSV files, spreadsheets and song tables, read into rated clips."""
