# gnuplot -c knee.gnuplot OUTPUT.svg CURVES PANEL TITLE [PANEL TITLE...]
# Rows per second over the batch size, a panel per table, a line per number of workers. PANEL: blocks of lines of
# batch in KB and rows/s, each behind its name. The background is white, so that the chart is the same on light and
# dark pages.
panels = (ARGC - 2) / 2
curves = int(ARG2)
set datafile separator tab
array path[panels]; array title[panels]
do for [i = 1:panels] { path[i] = value("ARG" . (1 + 2 * i)); title[i] = value("ARG" . (2 + 2 * i)) }

set terminal svg size 60 + 330 * panels, 400 font "Helvetica,Arial,sans-serif,13" background rgb "white" enhanced
set output ARG1
set border 3 linecolor rgb "#888888"
set grid ytics linecolor rgb "#dddddd" linetype 1
set logscale x 2
set tics nomirror textcolor rgb "#222222"
set xtics ("256 KB" 256, "" 512, "1 MB" 1024, "" 2048, "4 MB" 4096, "" 8192, "16 MB" 16384, "" 32768)
set xrange [200:42000]
set yrange [0:*]
set format y "%.0f k"
set key autotitle columnheader
set key at screen 0.98, screen 0.97 right top horizontal samplen 2 textcolor rgb "#222222"
array color[4] = ["#9ecae1", "#4292c6", "#08519c", "#d1495b"]
set tmargin at screen 0.80
set bmargin at screen 0.12
set multiplot
set label 1 "{/:Bold=16 Rows per second over batch size}" at screen 0.015, screen 0.94 left textcolor rgb "#222222"
do for [i = 1:panels] {
  set lmargin at screen (i - 1.0) / panels + 60.0 / (60 + 330 * panels)
  set rmargin at screen (i + 0.0) / panels - 10.0 / (60 + 330 * panels)
  set label 2 "{/:Bold " . title[i] . "}" at graph 0, graph 1.06 left textcolor rgb "#222222"
  plot for [c = 1:curves] path[i] index (c - 1) using 1:($2 / 1000) with linespoints linewidth 2 \
    pointtype (c % 2 ? 7 : 5) pointsize 0.6 linecolor rgb color[(c - 1) % 4 + 1]
  unset label 1
  unset key
}
unset multiplot
