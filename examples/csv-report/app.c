/* Reads sales.csv ("date,item,amount"), and writes what each month has brought to report.csv:
 *
 *     nexus run app.c --allow-read=sales.csv --allow-write=report.csv */
#include <nexus/csv.h>
#include <nexus/date.h>
#include <nexus/fs.h>
#include <nexus/text.h>
#include <stdio.h>

enum { MONTHS = 12 };

static nx_err count(nx_csv_reader *sales, double *brought)
{
    size_t date_at, amount_at;
    NX_TRY(nx_csv_column(sales, "date", &date_at));
    NX_TRY(nx_csv_column(sales, "amount", &amount_at));
    for (nx_csv_row row;;) {
        nx_date date;
        double amount;
        NX_TRY(nx_csv_read(sales, &row));
        if (!row.count) return NX_OK;
        NX_TRY(nx_date_parse_day(row.fields[date_at], &date));
        NX_TRY(nx_parse_double(row.fields[amount_at], &amount));
        brought[date.month - 1] += amount;
    }
}

static nx_err report(const double *brought)
{
    NX_AUTO(nx_csv_writer) *csv = NULL;
    NX_TRY(nx_csv_writer_open(&csv, nx_fs_writer("report.csv"), .lf = true));
    NX_TRY(nx_csv_write_strings(csv, "month", "amount"));
    for (int i = 0; i < MONTHS; i++) {
        nx_date month = {.year = 2000, .month = i + 1, .day = 1};
        nx_bytes name;
        if (brought[i] == 0) continue;
        NX_TRY(nx_date_format(month, "%B", &name));
        NX_TRY(nx_csv_write_strings(csv, name.data, nx_format("%.2f", brought[i])));
    }
    return nx_csv_writer_finish(csv);
}

int main(void)
{
    NX_AUTO(nx_csv_reader) *sales = NULL;
    double brought[MONTHS] = {0};
    NX_TRY(nx_csv_reader_open(&sales, nx_fs_reader("sales.csv"), .header = true));
    nx_err err = count(sales, brought);
    return err ? err : report(brought);
}
